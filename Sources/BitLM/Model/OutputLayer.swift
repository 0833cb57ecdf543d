import BitCore

/// The layer from normalized hidden states to logits.
struct OutputLayer: Sendable {
  let projection: Projection
  /// What finds the largest logits without computing all; nil if that does not pay.
  let screen: OutputScreen?
  let mode: ActivationMode

  /// Bytes that are read for a token of which only the largest logits are wanted.
  var byteCount: Int { screen?.byteCount ?? projection.byteCount }

  /// All logits of some rows, `[rows, vocabulary]`.
  func logits(_ x: UnsafePointer<Float>, rows: Int) -> Tensor {
    Tensor.build([rows, projection.outFeatures]) { output in
      var input = ProjectionInput(x, rows: rows, features: projection.inFeatures, mode: mode)
      input.project(projection, to: output)
    }
  }

  /// The logits of one row, as a request asks for them.
  func logits(_ x: UnsafePointer<Float>, _ selection: LogitRequest.Selection) -> TokenLogits {
    if case .candidates(let count, let ids) = selection, let screen,
      case .numbers(let matrix) = projection.weights, count <= Self.fewCandidates
    {
      let largest = screen.largest(of: x, count: count, rescoring: matrix)
      if largest.containsNaN { return .all(logits(x, rows: 1).scalars) }
      var candidates = largest.outputs.map { CandidateLogit(id: Int32($0.row), logit: $0.value) }
      let others = matrix.products(x, rows: ids.map { UInt32($0) })
      candidates += zip(ids, others).map { CandidateLogit(id: $0, logit: $1) }
      return .candidates(candidates)
    }
    return .all(logits(x, rows: 1).scalars)
  }

  /// With more, the screen would let too many rows pass.
  private static let fewCandidates = 256
}
