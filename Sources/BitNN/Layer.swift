import BitCore
import _Differentiation

/// A module that maps a tensor to a tensor.
public protocol Layer: Module {
  /// The output for an input.
  @differentiable(reverse,wrt: self)
  @differentiable(reverse,wrt: (self, input))
  func callAsFunction(_ input: Tensor) -> Tensor
}
