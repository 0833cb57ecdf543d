import BitCore
import BitFormats

/// The gated feed-forward layer, down(norm(activation(gate(x)) * up(x))), from normalized hidden
/// states to what is added to them.
struct FeedForwardLayer: Sendable {
  let gate: Projection
  let up: Projection
  let down: Projection
  let activation: GateActivation
  /// The norm before the last projection.
  let subNorm: NormWeight?

  var projections: [Projection] { [gate, up, down] }

  func callAsFunction(
    _ input: inout ProjectionInput, workspace: Workspace, output: UnsafeMutablePointer<Float>
  ) {
    let (rows, width) = (workspace.rows, gate.outFeatures)
    let (gated, upper) = (workspace.gated, workspace.upper)
    input.project(gate, to: gated)
    input.project(up, to: upper)
    let math = DecoderMath()
    ThreadPool.shared.parallelFor(rows, grain: 1 + 16_384 / width) { range in
      let (gated, upper) = (gated + range.lowerBound * width, upper + range.lowerBound * width)
      switch activation {
      case .silu: math.silu(gated, upper, range.count * width, gated)
      case .squaredReLU: math.squaredReLU(gated, upper, range.count * width, gated)
      }
    }
    if let subNorm { subNorm.normalize(gated, stride: width, rows: rows, to: gated) }
    var inner = ProjectionInput(gated, rows: rows, features: width, mode: workspace.mode)
    inner.project(down, to: output)
  }
}
