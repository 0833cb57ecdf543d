import BitCore
import _Differentiation

extension Tensor: Differentiable {
  /// Gradients are tensors of the same shape, or `Tensor.zero`.
  public typealias TangentVector = Tensor

  /// Adds `offset`, which has the same shape or is ``zero``.
  public mutating func move(by offset: Tensor) {
    precondition(
      offset.isZeroElement || offset.shape == shape,
      "an offset of shape \(offset.shape) for a tensor of shape \(shape)")
    self += offset
  }
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

  @derivative(of: item)
  @usableFromInline
  func itemDerivative() -> (value: Float, pullback: (Float) -> Tensor) {
    let shape = self.shape
    return (item(), { Tensor(repeating: $0, shape: shape) })
  }
}
