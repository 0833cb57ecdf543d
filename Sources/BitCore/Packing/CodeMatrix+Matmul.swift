import CBitKernels

extension CodeMatrix {
  /// The product with quantized activations,
  /// `y[t, r] = (sum_c code[r, c] * q[t, c]) * scale[group(r)] / s[t] (+ bias[r])`.
  ///
  /// With scales for blocks of columns, of the weights or of the activations, the products of the
  /// blocks are added in their order, each by one fused multiply-add of its exact integer sum and its
  /// scale: `f = fma(sum_c code[r, c] * q[t, c], w[r, g] * (1 / s[t, g]), f)`, from 0, over the
  /// shorter ones of the blocks, where `w` or `1 / s` is 1 if it has no blocks. What has none is
  /// applied afterwards: `y[t, r] = f * scale[group(r)]` or `f / s[t]`, then `(+ bias[r])`.
  ///
  /// Sums of integers are exact and the float operations have one fixed order, so the result is
  /// the same bits on every CPU, for every number of threads, and for a token alone or in a batch.
  ///
  /// - Parameters:
  ///   - x: activations `[..., columns]`.
  ///   - bias: `[rows]` or nil.
  /// - Returns: `[..., rows]`.
  public func matmul(_ x: QuantizedTensor, bias: Tensor? = nil) -> Tensor {
    matmul(x, bias: bias, output: .newTensor)
  }

  /// The same, with a destination for the result, by given kernels and threads.
  package func matmul(
    _ x: QuantizedTensor, bias: Tensor?, output: Tensor.Destination = .newTensor,
    kernels: KernelSet = .active, pool: ThreadPool = .shared
  ) -> Tensor {
    precondition(
      x.shape.rank > 0 && x.shape.features == columns,
      "an input of shape \(x.shape) does not fit a layer of \(columns) input features")
    precondition(
      bias == nil || bias?.shape == [rows],
      "a bias of shape \(bias?.shape ?? []) does not fit \(rows) output features")
    // Only tests multiply with other kernels than those that packed the codes.
    guard format == nil || kernels.layout(format) == layout else {
      return adapted(to: kernels).matmul(
        x, bias: bias, output: output, kernels: kernels, pool: pool)
    }
    let tokens = x.shape.rows
    var (matrix, activations) = (kernelMatrix, x.kernelActivations(from: 0))
    let jobTokens = max(1, bk_tokens_per_job(kernels.table, &matrix, &activations, tokens))
    let scratch = AlignedBuffer<UInt8>(
      uninitialized: bk_scratch_bytes(
        kernels.table, &matrix, &activations, min(jobTokens, tokens)))
    // The job points into all of these.
    defer { withExtendedLifetime((self, x, bias, scratch)) {} }
    return output.build(x.shape.replacingFeatures(rows)) { y in
      for first in stride(from: 0, to: tokens, by: jobTokens) {
        let job = bk_matmul_job(
          kernels: kernels.table, matrix: matrix, x: x.kernelActivations(from: first),
          tokens: min(jobTokens, tokens - first), scratch: scratch.pointer, bias: bias?.pointer,
          y: y + first * rows, y_stride: rows)
        withUnsafePointer(to: job) { run($0, pool: pool) }
      }
    }
  }

  /// The product of some tokens; its strips, or else the tokens, are shared among threads.
  private func run(_ job: UnsafePointer<bk_matmul_job>, pool: ThreadPool) {
    let (tokens, strips) = (job.pointee.tokens, stripCount)
    let splitsTokens = strips < pool.limit && tokens > strips
    let work = tokens * rows * columns
    let parts = work < 1 << 16 ? 1 : splitsTokens ? tokens : strips
    pool.parallelFor(tokens, grain: 1 + 65_536 / (columns + 1)) { bk_prepare(job, bk_range($0)) }
    pool.parallelFor(parts) { range in
      // All of an axis that is not split.
      let share = { (count: Int) in
        bk_range(first: count * range.lowerBound / parts, end: count * range.upperBound / parts)
      }
      bk_matmul(
        job, splitsTokens ? bk_range(0..<strips) : share(strips),
        splitsTokens ? share(tokens) : bk_range(0..<tokens))
    }
  }

  /// The matrix as kernels see it, for a caller that keeps this one alive.
  var kernelMatrix: bk_matrix {
    bk_matrix(
      rows: rows, columns: columns, format: format.kernelFormat, codes: codeBuffer.pointer,
      scales: kernelScales.floats.map { UnsafePointer($0.pointer) },
      half_scales: kernelScales.halves.map { UnsafePointer($0.pointer) },
      block_columns: scales.blockColumns ?? 0)
  }
}

extension QuantizedTensor {
  /// The tokens from `token` on as kernels see them.
  fileprivate func kernelActivations(from token: Int) -> bk_activations {
    bk_activations(
      stride: stride, narrow: narrow.map { UnsafePointer($0) + token * stride },
      wide: wide.map { UnsafePointer($0) + token * stride }, sums: UnsafePointer(sums) + token,
      inverse_scales: UnsafePointer(inverseScales) + token * blocksPerRow,
      block_columns: blockColumns ?? 0)
  }
}

extension bk_range {
  fileprivate init(_ range: Range<Int>) {
    self.init(first: range.lowerBound, end: range.upperBound)
  }
}
