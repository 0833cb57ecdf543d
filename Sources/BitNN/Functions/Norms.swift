import BitCore
import _Differentiation

extension Normalization {
  @derivative(of: callAsFunction, wrt: (x, weight, bias))
  @usableFromInline
  func callDerivative(
    _ x: Tensor, weight: Tensor?, bias: Tensor?
  ) -> (
    value: Tensor,
    pullback: (Tensor) -> (Tensor, Tensor?.TangentVector, Tensor?.TangentVector)
  ) {
    (
      self(x, weight: weight, bias: bias),
      { upstream in
        if upstream.isZeroElement { return (.zero, .zero, .zero) }
        let gradient = self.reverse(x, weight: weight, bias: bias, upstream: upstream)
        return (gradient.input, .init(gradient.weight), .init(gradient.bias))
      }
    )
  }

  @derivative(of: callAsFunction, wrt: (weight, bias))
  @usableFromInline
  func callParametersDerivative(
    _ x: Tensor, weight: Tensor?, bias: Tensor?
  ) -> (
    value: Tensor, pullback: (Tensor) -> (Tensor?.TangentVector, Tensor?.TangentVector)
  ) {
    (
      self(x, weight: weight, bias: bias),
      { upstream in
        if upstream.isZeroElement { return (.zero, .zero) }
        let gradient = self.reverse(
          x, weight: weight, bias: bias, upstream: upstream, wantsInput: false)
        return (.init(gradient.weight), .init(gradient.bias))
      }
    )
  }
}
