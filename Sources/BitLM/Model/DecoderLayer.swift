import BitCore

/// A layer of a decoder: x += attention(norm(x)), then x += feedForward(norm(x)).
struct DecoderLayer: Sendable {
  let attentionNorm: NormWeight
  let attention: AttentionLayer
  let feedForwardNorm: NormWeight
  let feedForward: FeedForwardLayer

  var projections: [Projection] { attention.projections + feedForward.projections }

  /// Changes the hidden states of a batch in the workspace.
  func callAsFunction(
    _ texts: [BatchText], states: inout [AttentionState], workspace: Workspace
  ) {
    add(attentionNorm, workspace) { input in
      attention(
        &input, texts, states: &states, workspace: workspace, output: workspace.added)
    }
    add(feedForwardNorm, workspace) { input in
      feedForward(&input, workspace: workspace, output: workspace.added)
    }
  }

  private func add(
    _ norm: NormWeight, _ workspace: Workspace, _ body: (inout ProjectionInput) -> Void
  ) {
    let (rows, hidden) = (workspace.rows, norm.weight.count)
    norm.normalize(workspace.hidden, stride: hidden, rows: rows, to: workspace.normalized)
    var input = ProjectionInput(
      workspace.normalized, rows: rows, features: hidden, mode: workspace.mode)
    body(&input)
    let math = DecoderMath()
    ThreadPool.shared.parallelFor(rows, grain: 1 + 32_768 / hidden) { range in
      let first = range.lowerBound * hidden
      math.add(workspace.added + first, range.count * hidden, to: workspace.hidden + first)
    }
  }
}
