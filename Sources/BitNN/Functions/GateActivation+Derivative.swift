import BitCore
import _Differentiation

extension GateActivation {
  @derivative(of: callAsFunction, wrt: (gate, up))
  @usableFromInline
  func callDerivative(
    _ gate: Tensor, _ up: Tensor
  ) -> (value: Tensor, pullback: (Tensor) -> (Tensor, Tensor)) {
    (
      self(gate, up),
      { upstream in
        if upstream.isZeroElement { return (.zero, .zero) }
        let gradient = self.reverse(gate, up, upstream: upstream)
        return (gradient.gate, gradient.up)
      }
    )
  }
}
