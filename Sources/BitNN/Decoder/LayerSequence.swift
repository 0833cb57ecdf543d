import BitCore
import _Differentiation

/// The output of layers one after another, each of which maps a tensor to one of its shape.
///
/// The gradients are computed from the last layer to the first, and what a layer keeps for them is
/// freed as soon as they are there. (The compiler's own rule would keep that of all layers to the end.)
///
/// - Parameter recomputing: whether only the inputs of layers are kept, and what is inside them is
///   computed once more; the gradients have the same bits.
@differentiable(reverse,wrt: (layers, input))
func through(_ layers: [DecoderBlock], _ input: Tensor, recomputing: Bool) -> Tensor {
  layers.reduce(input) { x, layer in layer(x) }
}

@derivative(of: through, wrt: (layers, input))
func throughDerivative(
  _ layers: [DecoderBlock], _ input: Tensor, recomputing: Bool
) -> (value: Tensor, pullback: (Tensor) -> ([DecoderBlock].TangentVector, Tensor)) {
  typealias Pullback = (Tensor) -> (DecoderBlock.TangentVector, Tensor)
  func forward(_ layer: DecoderBlock, _ x: Tensor) -> (value: Tensor, pullback: Pullback) {
    recomputing
      ? (layer(x), { valueWithPullback(at: layer, x) { $0($1) }.pullback($0) })
      : valueWithPullback(at: layer, x) { $0($1) }
  }
  func forwardAll() -> (value: Tensor, pullbacks: [Pullback]) {
    var (x, pullbacks): (Tensor, [Pullback]) = (input, [])
    for layer in layers {
      let (value, pullback) = forward(layer, x)
      pullbacks.append(pullback)
      x = value
    }
    return (x, pullbacks)
  }
  let (output, pullbacks) = forwardAll()
  let kept = KeptPullbacks(pullbacks)
  return (
    output,
    { upstream in
      // Whoever asks for the gradients a second time pays for another pass.
      var pullbacks = kept.take() ?? forwardAll().pullbacks
      var gradients: [DecoderBlock.TangentVector] = []
      var upstream = upstream
      while let pullback = pullbacks.popLast() {
        if upstream.isZeroElement {
          gradients.append(.zero)
          continue
        }
        let (gradient, next) = pullback(upstream)
        gradients.append(gradient)
        upstream = next
      }
      return (.init(gradients.reversed()), upstream)
    }
  )
}

/// Pullbacks that can be taken once, so that nobody else keeps them.
private final class KeptPullbacks<Pullback> {
  private var pullbacks: [Pullback]?

  init(_ pullbacks: [Pullback]) { self.pullbacks = pullbacks }

  func take() -> [Pullback]? { pullbacks.take() }
}
