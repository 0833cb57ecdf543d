import CBitKernels

extension WeightMatrix {
  /// The product with float activations, `y[t, r] = sum_c weight[r, c] * x[t, c] (+ bias[r])`.
  ///
  /// Every output is added up in one order: 16 sums, number c % 16, each by fused multiply-adds in
  /// the order of c, and then those eight, four, two and one apart. So the result is the same bits on
  /// every CPU, for every number of threads, and for a token alone or in a batch.
  ///
  /// - Parameters:
  ///   - x: activations `[..., columns]`.
  ///   - bias: `[rows]` or nil.
  ///   - output: where the result goes.
  /// - Returns: `[..., rows]`.
  package func matmul(
    _ x: Tensor, bias: Tensor? = nil, output: Tensor.Destination = .newTensor,
    kernels: KernelSet = .active, pool: ThreadPool = .shared
  ) -> Tensor {
    precondition(
      x.shape.rank > 0 && x.shape.features == columns,
      "an input of shape \(x.shape) does not fit weights of \(columns) input features")
    precondition(
      bias == nil || bias?.shape == [rows],
      "a bias of shape \(bias?.shape ?? []) does not fit \(rows) output features")
    defer { withExtendedLifetime((x, bias)) {} }
    return output.build(x.shape.replacingFeatures(rows)) { y in
      multiply(
        x.pointer, tokens: x.shape.rows, bias: bias?.pointer, y, kernels: kernels, pool: pool)
    }
  }

  /// The products of `tokens` rows of activations, `columns` apart, to `y`, `rows` apart.
  package func multiply(
    _ x: UnsafePointer<Float>, tokens: Int, bias: UnsafePointer<Float>? = nil,
    _ y: UnsafeMutablePointer<Float>, kernels: KernelSet = .active, pool: ThreadPool = .shared
  ) {
    let weights = kernelWeights
    let unit = Int(BK_WEIGHT_ROWS)
    let work = tokens * columns * unit
    pool.parallelFor((rows + unit - 1) / unit, grain: 1 + Self.worthThread / (work + 1)) { units in
      let scratch = AlignedBuffer<UInt8>(uninitialized: bk_weights_scratch_bytes(tokens))
      let some = bk_range(first: unit * units.lowerBound, end: min(rows, unit * units.upperBound))
      withUnsafePointer(to: weights) {
        bk_weights_matmul(
          kernels.table, $0, x, columns, tokens, some, bias, y, rows, scratch.pointer)
      }
      withExtendedLifetime(scratch) {}
    }
    withExtendedLifetime(self) {}
  }

  /// The products of some rows and one row of activations to `y`, with the bits of
  /// ``multiply(_:tokens:bias:_:kernels:pool:)``.
  func multiply(
    _ x: UnsafePointer<Float>, rows: [UInt32], _ y: UnsafeMutablePointer<Float>,
    kernels: KernelSet, pool: ThreadPool
  ) {
    let weights = kernelWeights
    rows.withUnsafeBufferPointer { rows in
      guard let start = rows.baseAddress else { return }
      pool.parallelFor(rows.count, grain: 1 + Self.worthThread / (columns + 1)) { some in
        let scratch = AlignedBuffer<UInt8>(uninitialized: bk_weights_scratch_bytes(1))
        withUnsafePointer(to: weights) {
          bk_weights_select(
            kernels.table, $0, x, start + some.lowerBound, some.count, y + some.lowerBound,
            scratch.pointer)
        }
        withExtendedLifetime(scratch) {}
      }
    }
    withExtendedLifetime(self) {}
  }

  /// The multiplications for which another thread is worth waking.
  private static var worthThread: Int { 1 << 17 }
}
