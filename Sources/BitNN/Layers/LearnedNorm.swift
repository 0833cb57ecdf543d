import BitCore
import _Differentiation

/// What the three layers share. The parameters are optional because the compiler (6.3) crashes
/// when it differentiates the step from a tensor to an optional one.
struct LearnedNorm: Layer, Sendable {
  var weight: Tensor?
  var bias: Tensor?
  @noDerivative private let normalization: Normalization

  init(_ features: Int, _ normalization: Normalization) {
    weight = Tensor(repeating: 1, shape: [features])
    bias = normalization.isCentered ? .zeros([features]) : nil
    self.normalization = normalization
  }

  @differentiable(reverse)
  func callAsFunction(_ input: Tensor) -> Tensor {
    traced(normalization(input, weight: weight, bias: bias), of: withoutDerivative(at: weight))
  }

  mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    visit("weight", &weight, gradient?.weight)
    visit("bias", &bias, gradient?.bias)
  }
}
