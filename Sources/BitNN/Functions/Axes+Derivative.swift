import BitCore
import _Differentiation

extension Tensor {
  @derivative(of: transposed(axes:))
  @usableFromInline
  func transposedDerivative(
    axes: [Int]
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    let inverse = inverseOrder(ofAxes: axes)
    return (transposed(axes: axes), { $0.isZeroElement ? $0 : $0.transposed(axes: inverse) })
  }

  @derivative(of: transposed(_:))
  @usableFromInline
  func transposedDerivative(
    _ axes: Int...
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    transposedDerivative(axes: axes)
  }

  @derivative(of: swappedAxes)
  @usableFromInline
  func swappedAxesDerivative(
    _ first: Int, _ second: Int
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    (swappedAxes(first, second), { $0.isZeroElement ? $0 : $0.swappedAxes(first, second) })
  }

  @derivative(of: broadcast)
  @usableFromInline
  func broadcastDerivative(
    to shape: Shape
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    let original = self.shape
    return (broadcast(to: shape), { $0.isZeroElement ? $0 : $0.summed(to: original) })
  }

  @derivative(of: sum)
  @usableFromInline
  func sumDerivative(
    axes: [Int], keepsDimensions: Bool
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    let shape = self.shape
    return (
      sum(axes: axes, keepsDimensions: keepsDimensions),
      { $0.isZeroElement ? $0 : $0.sumReverse(of: shape, axes: axes) }
    )
  }

  @derivative(of: mean)
  @usableFromInline
  func meanDerivative(
    axes: [Int], keepsDimensions: Bool
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    let shape = self.shape
    return (
      mean(axes: axes, keepsDimensions: keepsDimensions),
      {
        if $0.isZeroElement { return $0 }
        return ($0 / Float(shape.extent(of: axes))).sumReverse(of: shape, axes: axes)
      }
    )
  }
}
