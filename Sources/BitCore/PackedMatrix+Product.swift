import CBitKernels

extension PackedMatrix {
  /// The product with quantized activations,
  /// `y[t, r] = (sum_c code[r, c] * q[t, c]) * scale[group(r)] / s[t] (+ bias[r])`,
  /// or, with a scale for each block of columns, the sum of the blocks' products in their order,
  /// each added by one fused multiply-add of its exact integer sum and its scale, `/ s[t]
  /// (+ bias[r])`.
  ///
  /// Sums of integers are exact and the float operations have one fixed order, so the result is
  /// the same bits on every CPU, for every number of threads, and for a token alone or in a batch.
  ///
  /// - Parameters:
  ///   - x: activations `[..., columns]`.
  ///   - bias: `[rows]` or nil.
  /// - Returns: `[..., rows]`.
  public func multiply(_ x: QuantizedTensor, bias: Tensor? = nil) -> Tensor {
    multiply(x, bias: bias, kernels: .active, pool: .shared)
  }

  package func multiply(
    _ x: QuantizedTensor, bias: Tensor?, kernels: Kernels, pool: ThreadPool
  ) -> Tensor {
    precondition(
      x.shape.rank > 0 && x.shape.features == columns,
      "an input of shape \(x.shape) does not fit a layer of \(columns) input features")
    precondition(
      bias == nil || bias?.shape == [rows],
      "a bias of shape \(bias?.shape ?? []) does not fit \(rows) output features")
    let tokens = x.shape.rows
    let strips = stripCount
    let splitsTokens = strips < pool.limit && tokens > strips
    let work = tokens * rows * columns
    let parts = work < 1 << 16 ? 1 : splitsTokens ? tokens : strips
    return Tensor.build(x.shape.replacingFeatures(rows)) { y in
      withCViews(x) { matrix, activations in
        let scratch = AlignedBuffer<UInt8>(
          uninitialized: bk_scratch_bytes(kernels.table, matrix, tokens))
        pool.parallelFor(tokens, grain: 1 + 65_536 / (columns + 1)) { range in
          bk_prepare(
            kernels.table, matrix, activations, tokens, range.lowerBound, range.upperBound,
            scratch.pointer)
        }
        pool.parallelFor(parts) { range in
          // All of an axis that is not split.
          let share = { (count: Int) in
            count * range.lowerBound / parts..<count * range.upperBound / parts
          }
          let tokenRange = splitsTokens ? share(tokens) : 0..<tokens
          let stripRange = splitsTokens ? 0..<strips : share(strips)
          bk_matmul(
            kernels.table, matrix, activations, scratch.pointer, tokens, stripRange.lowerBound,
            stripRange.upperBound, tokenRange.lowerBound, tokenRange.upperBound, bias?.pointer, y,
            rows)
        }
        withExtendedLifetime(scratch) {}
      }
      withExtendedLifetime(bias) {}
    }
  }

  private func withCViews(
    _ x: QuantizedTensor,
    _ body: (UnsafePointer<bk_matrix>, UnsafePointer<bk_activations>) -> Void
  ) {
    kernelScales.rows.withUnsafeBufferPointer { rowScales in
      x.sums.withUnsafeBufferPointer { sums in
        x.inverseScales.withUnsafeBufferPointer { inverseScales in
          let hasBlocks = scales.blockColumns != nil
          var matrix = bk_matrix(
            rows: rows, columns: columns, format: format?.kernelFormat ?? BK_PANELS,
            codes: codeBuffer.pointer,
            scales: hasBlocks
              ? kernelScales.blocks.map { UnsafePointer($0.pointer) } : rowScales.baseAddress,
            half_scales: kernelScales.halves.map { UnsafePointer($0.pointer) },
            block_columns: scales.blockColumns ?? 0)
          var activations = bk_activations(
            stride: x.stride, narrow: x.narrow.map { UnsafePointer($0.pointer) },
            wide: x.wide.map { UnsafePointer($0.pointer) }, sums: sums.baseAddress,
            inverse_scales: inverseScales.baseAddress)
          body(&matrix, &activations)
        }
      }
    }
    withExtendedLifetime((self, x)) {}
  }
}
