import CBitKernels

extension CodeMatrix {
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
  public func matmul(_ x: QuantizedTensor, bias: Tensor? = nil) -> Tensor {
    matmul(x, bias: bias, kernels: .active, pool: .shared)
  }

  package func matmul(
    _ x: QuantizedTensor, bias: Tensor?, kernels: Kernels, pool: ThreadPool
  ) -> Tensor {
    check(x)
    return Tensor.build(x.shape.replacingFeatures(rows)) {
      matmul(x, bias: bias, into: $0, kernels: kernels, pool: pool)
    }
  }

  private func check(_ x: QuantizedTensor) {
    precondition(
      x.shape.rank > 0 && x.shape.features == columns,
      "an input of shape \(x.shape) does not fit a layer of \(columns) input features")
  }

  /// Writes the product to `y`, contiguous `[..., rows]`; see ``matmul(_:bias:)``.
  package func matmul(
    _ x: QuantizedTensor, bias: Tensor?, into y: UnsafeMutablePointer<Float>,
    kernels: Kernels = .active, pool: ThreadPool = .shared
  ) {
    check(x)
    precondition(
      bias == nil || bias?.shape == [rows],
      "a bias of shape \(bias?.shape ?? []) does not fit \(rows) output features")
    let tokens = x.shape.rows
    withCViews(x) { matrix, activations in
      let (group, scratchBytes) = withUnsafePointer(to: matrix) { matrix in
        let group = max(1, bk_tokens_at_once(kernels.table, matrix, tokens))
        return (group, bk_scratch_bytes(kernels.table, matrix, min(group, tokens)))
      }
      let scratch = AlignedBuffer<UInt8>(uninitialized: scratchBytes)
      for first in stride(from: 0, to: tokens, by: group) {
        matmul(
          matrix, activations.from(token: first), tokens: min(group, tokens - first),
          scratch: scratch.pointer, bias: bias?.pointer, y: y + first * rows, kernels: kernels,
          pool: pool)
      }
      withExtendedLifetime(scratch) {}
    }
    withExtendedLifetime(bias) {}
  }

  /// The product of some tokens, their strips or the tokens themselves shared out among threads.
  private func matmul(
    _ matrix: bk_matrix, _ activations: bk_activations, tokens: Int,
    scratch: UnsafeMutablePointer<UInt8>, bias: UnsafePointer<Float>?,
    y: UnsafeMutablePointer<Float>, kernels: Kernels, pool: ThreadPool
  ) {
    let strips = stripCount
    let splitsTokens = strips < pool.limit && tokens > strips
    let work = tokens * rows * columns
    let parts = work < 1 << 16 ? 1 : splitsTokens ? tokens : strips
    withUnsafePointer(to: matrix) { matrix in
      withUnsafePointer(to: activations) { activations in
        pool.parallelFor(tokens, grain: 1 + 65_536 / (columns + 1)) { range in
          bk_prepare(
            kernels.table, matrix, activations, tokens, range.lowerBound, range.upperBound,
            scratch)
        }
        pool.parallelFor(parts) { range in
          // All of an axis that is not split.
          let share = { (count: Int) in
            count * range.lowerBound / parts..<count * range.upperBound / parts
          }
          let tokenRange = splitsTokens ? share(tokens) : 0..<tokens
          let stripRange = splitsTokens ? 0..<strips : share(strips)
          bk_matmul(
            kernels.table, matrix, activations, scratch, tokens, stripRange.lowerBound,
            stripRange.upperBound, tokenRange.lowerBound, tokenRange.upperBound, bias, y, rows)
        }
      }
    }
  }

  private func withCViews(
    _ x: QuantizedTensor,
    _ body: (bk_matrix, bk_activations) -> Void
  ) {
    kernelScales.rows.withUnsafeBufferPointer { rowScales in
      x.sums.withUnsafeBufferPointer { sums in
        x.inverseScales.withUnsafeBufferPointer { inverseScales in
          let hasBlocks = scales.blockColumns != nil
          let matrix = bk_matrix(
            rows: rows, columns: columns, format: format?.kernelFormat ?? BK_PANELS,
            codes: codeBuffer.pointer,
            scales: hasBlocks
              ? kernelScales.blocks.map { UnsafePointer($0.pointer) } : rowScales.baseAddress,
            half_scales: kernelScales.halves.map { UnsafePointer($0.pointer) },
            block_columns: scales.blockColumns ?? 0)
          let activations = bk_activations(
            stride: x.stride, narrow: x.narrow.map { UnsafePointer($0.pointer) },
            wide: x.wide.map { UnsafePointer($0.pointer) }, sums: sums.baseAddress,
            inverse_scales: inverseScales.baseAddress)
          body(matrix, activations)
        }
      }
    }
    withExtendedLifetime((self, x)) {}
  }
}

extension bk_activations {
  /// The same activations without those of the first tokens.
  fileprivate func from(token: Int) -> bk_activations {
    bk_activations(
      stride: stride, narrow: narrow.map { $0 + token * stride },
      wide: wide.map { $0 + token * stride }, sums: sums.map { $0 + token },
      inverse_scales: inverse_scales.map { $0 + token })
  }
}
