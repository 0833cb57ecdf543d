import BitCore
import _Differentiation

extension Tensor: Differentiable {
  /// Gradients are tensors of the same shape, or `Tensor.zero`.
  public typealias TangentVector = Tensor

  /// Adds `offset`.
  public mutating func move(by offset: Tensor) { self += offset }
}

extension Tensor {
  @derivative(of: reshaped)
  @usableFromInline
  func reshapedDerivative(
    _ shape: Shape
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    let original = self.shape
    return (reshaped(shape), { $0.isZeroElement ? $0 : $0.reshaped(original) })
  }

  @derivative(of: +)
  @usableFromInline
  static func sumDerivative(
    _ a: Tensor, _ b: Tensor
  ) -> (value: Tensor, pullback: (Tensor) -> (Tensor, Tensor)) {
    (a + b, { ($0, $0) })
  }

  @derivative(of: -)
  @usableFromInline
  static func differenceDerivative(
    _ a: Tensor, _ b: Tensor
  ) -> (value: Tensor, pullback: (Tensor) -> (Tensor, Tensor)) {
    (a - b, { ($0, Tensor.zero - $0) })
  }

  @derivative(of: *)
  @usableFromInline
  static func productDerivative(
    _ a: Tensor, _ b: Tensor
  ) -> (value: Tensor, pullback: (Tensor) -> (Tensor, Tensor)) {
    (a * b, { $0.isZeroElement ? ($0, $0) : ($0 * b, $0 * a) })
  }

  @derivative(of: *, wrt: a)
  @usableFromInline
  static func scalingDerivative(
    _ a: Tensor, _ b: Float
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    (a * b, { $0.isZeroElement ? $0 : $0 * b })
  }
}
