/// Causal attention over whole texts, for training: each position attends to itself and all before
/// it, and heads of queries share heads of keys and values (grouped-query attention, Ainslie et al.,
/// arXiv 2305.13245).
///
///     score[i, j] = scale * query[i] . key[j]  for j <= i
///     weight[i, ...] = softmax(score[i, 0...i]),  output[i] = sum over j of weight[i, j] value[j]
///
/// Weights are never kept: ``forward(queries:keys:values:)`` remembers one number for each row, the
/// logarithm of its sum of exponentials, and ``reverse(queries:keys:values:output:logSums:upstream:)``
/// computes the weights of some rows at a time again (Dao et al., arXiv 2205.14135). So memory grows
/// with the number of tokens, not with its square. Results do not depend on the number of threads.
///
/// A NaN or an infinity in a value may reach earlier positions, too.
public struct AttentionOperation: Sendable {
  /// What scores are multiplied with; nil for 1 / sqrt(length of a head).
  public let scale: Float?
  /// How matrices are multiplied.
  public let matmul: FloatMatmul

  /// Rows of queries whose weights are in memory at once.
  static let blockRows = 64

  /// Attention with a scale.
  public init(scale: Float? = nil, matmul: FloatMatmul = .portable) {
    self.scale = scale
    self.matmul = matmul
  }

  /// The output and the logarithms of the sums of exponentials.
  ///
  /// - Parameters:
  ///   - queries: `[batch, positions, heads, length]`.
  ///   - keys: `[batch, positions, key-value heads, length]`; that many heads divide those of
  ///     the queries, and head h of the queries uses head h / (heads / key-value heads).
  ///   - values: of the shape of `keys`.
  /// - Returns: the output, of the shape of `queries`, and the logarithms,
  ///   `[batch, positions, heads]`.
  public func forward(
    queries: Tensor, keys: Tensor, values: Tensor
  ) -> (output: Tensor, logSums: Tensor) {
    let extents = Extents(queries, keys, values)
    let (length, kernels) = (extents.length, KernelSet.active.table.pointee.decoder.pointee)
    var output = Tensor(uninitialized: queries.shape)
    let logSums = Tensor.build([extents.batch, extents.positions, extents.heads]) { logSums in
      output.withUnsafeMutablePointer { output in
        forEachShare(extents, queries, keys, values) { share, scratch in
          for head in share.heads {
            for rows in extents.blocks {
              let seen = rows.upperBound
              let scores = scratch.scores
              computeScores(share, head, rows, scratch)
              let sums = scratch.rowValues
              for (index, row) in rows.enumerated() {
                let line = scores + index * seen
                let largest = kernels.maximum(line, row + 1)
                sums[index] = kernels.exponentials(line, row + 1, largest, line)
                (line + row + 1).update(repeating: 0, count: seen - row - 1)
                logSums[extents.row(share.batch, row) * extents.heads + head] =
                  largest + SystemMath.log(sums[index])
              }
              matmul.multiply(
                rows.count, length, seen, .init(values: scores, stride: seen),
                .init(values: share.values, stride: extents.keyValueStride), into: scratch.rows,
                isSerial: true)
              for (index, row) in rows.enumerated() {
                let (from, to) = (
                  scratch.rows + index * length,
                  output + extents.queryOffset(share.batch, row, head)
                )
                for i in 0..<length { to[i] = from[i] / sums[index] }
              }
            }
          }
        }
      }
    }
    return (output, logSums)
  }

  /// The gradients of queries, keys and values.
  ///
  /// - Parameters:
  ///   - queries: as in ``forward(queries:keys:values:)``.
  ///   - keys: as there.
  ///   - values: as there.
  ///   - output: what it returned.
  ///   - logSums: what it returned.
  ///   - upstream: the gradient of the output.
  public func reverse(
    queries: Tensor, keys: Tensor, values: Tensor, output: Tensor, logSums: Tensor,
    upstream: Tensor
  ) -> (queries: Tensor, keys: Tensor, values: Tensor) {
    let extents = Extents(queries, keys, values)
    precondition(
      upstream.shape == queries.shape && output.shape == queries.shape
        && logSums.shape == [extents.batch, extents.positions, extents.heads],
      "a gradient of shape \(upstream.shape) and sums of shape \(logSums.shape) for queries of "
        + "shape \(queries.shape)")
    var queryGradient = Tensor(uninitialized: queries.shape)
    var keyGradient = Tensor(uninitialized: keys.shape)
    var valueGradient = Tensor(uninitialized: values.shape)
    queryGradient.withUnsafeMutablePointer { queryGradient in
      keyGradient.withUnsafeMutablePointer { keyGradient in
        valueGradient.withUnsafeMutablePointer { valueGradient in
          forEachShare(extents, queries, keys, values) { share, scratch in
            let sums = Sums(extents)
            for head in share.heads {
              for rows in extents.blocks {
                let first = extents.queryOffset(share.batch, rows.lowerBound, head)
                reverse(
                  share, head, rows, scratch, sums, output: output.pointer + first,
                  upstream: upstream.pointer + first, logSums: logSums.pointer,
                  into: queryGradient + first)
              }
            }
            sums.write(share, keys: keyGradient, values: valueGradient)
            withExtendedLifetime(sums) {}
          }
        }
      }
    }
    withExtendedLifetime((output, upstream, logSums)) {}
    return (queryGradient, keyGradient, valueGradient)
  }

  /// Adds what some rows of queries contribute; `output`, `upstream` and `gradient` begin with the
  /// first of them.
  private func reverse(
    _ share: Share, _ head: Int, _ rows: Range<Int>, _ scratch: Scratch, _ sums: Sums,
    output: UnsafePointer<Float>, upstream: UnsafePointer<Float>, logSums: UnsafePointer<Float>,
    into gradient: UnsafeMutablePointer<Float>
  ) {
    let extents = share.extents
    let (length, seen, stride) = (extents.length, rows.upperBound, extents.queryStride)
    let kernels = KernelSet.active.table.pointee.decoder.pointee
    let (weights, slopes) = (scratch.scores, scratch.slopes)
    computeScores(share, head, rows, scratch)
    let upstreamRows = FloatMatmul.Operand(values: upstream, stride: stride)
    let keyRows = FloatMatmul.Operand(values: share.keys, stride: extents.keyValueStride)
    let valueColumns = FloatMatmul.Operand(
      values: share.values, stride: extents.keyValueStride, isTransposed: true)
    matmul.multiply(
      rows.count, seen, length, upstreamRows, valueColumns, into: slopes,
      isSerial: true)
    for (index, row) in rows.enumerated() {
      let (weight, slope) = (weights + index * seen, slopes + index * seen)
      let logSum = logSums[extents.row(share.batch, row) * extents.heads + head]
      _ = kernels.exponentials(weight, row + 1, logSum, weight)
      // The softmax's rule: the gradient of a score is weight * (slope - sum of weight * slope),
      // and that sum is output . upstream.
      let mean = RowSum.dot(output + index * stride, upstream + index * stride, length)
      for j in 0...row { slope[j] = weight[j] * (slope[j] - mean) }
      (weight + row + 1).update(repeating: 0, count: seen - row - 1)
      (slope + row + 1).update(repeating: 0, count: seen - row - 1)
    }
    matmul.multiply(
      rows.count, length, seen, .init(values: slopes, stride: seen), keyRows, into: scratch.rows,
      isSerial: true)
    for index in 0..<rows.count {
      let (from, to) = (scratch.rows + index * length, gradient + index * stride)
      for i in 0..<length { to[i] = from[i] * share.scale }
    }
    matmul.multiply(
      seen, length, rows.count, .init(values: slopes, stride: seen, isTransposed: true),
      .init(values: scratch.queries, stride: length), into: sums.keys,
      isAdded: true, isSerial: true)
    matmul.multiply(
      seen, length, rows.count, .init(values: weights, stride: seen, isTransposed: true),
      upstreamRows, into: sums.values,
      isAdded: true, isSerial: true)
  }

  /// Writes scaled queries of some rows, and their scores with all positions up to the last row.
  private func computeScores(_ share: Share, _ head: Int, _ rows: Range<Int>, _ scratch: Scratch) {
    let extents = share.extents
    let length = extents.length
    for (index, row) in rows.enumerated() {
      let from = share.queries + extents.queryOffset(share.batch, row, head)
      let to = scratch.queries + index * length
      for i in 0..<length { to[i] = from[i] * share.scale }
    }
    matmul.multiply(
      rows.count, rows.upperBound, length, .init(values: scratch.queries, stride: length),
      .init(values: share.keys, stride: extents.keyValueStride, isTransposed: true),
      into: scratch.scores,
      isSerial: true)
  }

  /// Calls `body` for each text and head of keys and values, on all threads, with memory for its
  /// thread alone.
  private func forEachShare(
    _ extents: Extents, _ queries: Tensor, _ keys: Tensor, _ values: Tensor,
    _ body: (Share, Scratch) -> Void
  ) {
    let scale = scale ?? 1 / Float(extents.length).squareRoot()
    ThreadPool.shared.parallelFor(extents.batch * extents.keyValueHeads) { range in
      let scratch = Scratch(extents)
      for index in range {
        let (batch, head) = (index / extents.keyValueHeads, index % extents.keyValueHeads)
        let offset = extents.keyValueOffset(batch, head)
        body(
          Share(
            extents: extents, batch: batch, keyValueHead: head, scale: scale,
            queries: queries.pointer, keys: keys.pointer + offset, values: values.pointer + offset),
          scratch)
      }
      withExtendedLifetime(scratch) {}
    }
    withExtendedLifetime((queries, keys, values)) {}
  }
}
