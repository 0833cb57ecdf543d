import BitCore
import _Differentiation

/// What the three layers share. The parameters are optional because the compiler (6.3) crashes
/// when it differentiates the step from a tensor to an optional one.
struct LearnedNorm: Layer, Sendable {
  var weight: Tensor? { didSet { requireShape([features], of: weight, "weight") } }
  var bias: Tensor? {
    didSet { requireShape(normalization.isCentered ? [features] : nil, of: bias, "bias") }
  }
  @noDerivative let features: Int
  @noDerivative let normalization: Normalization

  init(_ features: Int, _ normalization: Normalization) {
    weight = Tensor(repeating: 1, shape: [features])
    bias = normalization.isCentered ? .zeros([features]) : nil
    self.features = features
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
