import CBitKernels

extension CodeMatrix {
  /// The product with activations that are not quantized, `y[t, r] = sum_c weight[r, c] * x[t, c]`,
  /// with the weights as floats and sums as `bk_weights_matmul` adds them up.
  ///
  /// This is what quantized activations are measured against, and far slower.
  ///
  /// - Parameter x: `[..., columns]`.
  /// - Returns: `[..., rows]`.
  package func floatMatmul(
    _ x: Tensor, output: Tensor.Destination = .newTensor, kernels: KernelSet = .active,
    pool: ThreadPool = .shared
  ) -> Tensor {
    guard format == alphabet.defaultFormat else {
      return packed(as: alphabet.defaultFormat)
        .floatMatmul(x, output: output, kernels: kernels, pool: pool)
    }
    precondition(
      x.shape.rank > 0 && x.shape.features == columns,
      "an input of shape \(x.shape) does not fit a layer of \(columns) input features")
    let (matrix, layout, tokens) = (kernelMatrix, layout, x.shape.rows)
    return output.build(x.shape.replacingFeatures(rows)) { y in
      x.withUnsafePointer { x in
        pool.parallelFor(stripCount) { strips in
          let values = AlignedBuffer<Float>(uninitialized: Self.stripRows * columns)
          let scratch = AlignedBuffer<UInt8>(uninitialized: bk_weights_scratch_bytes(tokens))
          defer { withExtendedLifetime((self, values, scratch)) {} }
          for strip in strips {
            let first = strip * Self.stripRows
            let count = min(Self.stripRows, rows - first)
            var part = matrix
            part.rows = first + count
            // The kernel writes from the first row of the matrix on, which lies before the memory.
            bk_strip_values(layout, &part, strip, values.pointer - first * columns, nil)
            var floats = bk_weights(
              type: BK_F32, rows: count, columns: columns,
              bytes: UnsafeRawPointer(values.pointer).assumingMemoryBound(to: UInt8.self))
            bk_weights_matmul(
              kernels.table, &floats, x, columns, tokens, bk_range(first: 0, end: count), nil,
              y + first, rows, scratch.pointer)
          }
        }
      }
    }
  }
}
