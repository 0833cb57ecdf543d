import BitCore
import _Differentiation

/// RMSNorm with a learned factor: x / sqrt(mean(x^2) + eps) * weight over the last axis.
public struct RMSNorm: Layer, Sendable {
  private var inner: LearnedNorm

  /// A layer of ones.
  public init(_ features: Int, epsilon: Float = 1e-5) {
    inner = LearnedNorm(features, .rms(epsilon: epsilon))
  }

  /// The factor, `[features]`.
  public var weight: Tensor { inner.weight ?? .zero }

  /// The normalized input, of its shape `[..., features]`.
  @differentiable(reverse)
  public func callAsFunction(_ input: Tensor) -> Tensor { inner(input) }

  /// Shows the parameter `weight`.
  public mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    inner.visitChildren(visit, gradient: gradient?.inner)
  }
}

/// LayerNorm with a learned factor and offset over the last axis.
public struct LayerNorm: Layer, Sendable {
  private var inner: LearnedNorm

  /// A layer of ones and zeros.
  public init(_ features: Int, epsilon: Float = 1e-5) {
    inner = LearnedNorm(features, .layer(epsilon: epsilon))
  }

  /// The factor, `[features]`.
  public var weight: Tensor { inner.weight ?? .zero }
  /// The offset, `[features]`.
  public var bias: Tensor { inner.bias ?? .zero }

  /// The normalized input, of its shape `[..., features]`.
  @differentiable(reverse)
  public func callAsFunction(_ input: Tensor) -> Tensor { inner(input) }

  /// Shows the parameters `weight` and `bias`.
  public mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    inner.visitChildren(visit, gradient: gradient?.inner)
  }
}

/// GroupNorm with a learned factor and offset: each of `groups` equal parts of the last axis has
/// its own mean and variance.
public struct GroupNorm: Layer, Sendable {
  private var inner: LearnedNorm

  /// A layer of ones and zeros; `groups` must divide `features`.
  public init(_ groups: Int, _ features: Int, epsilon: Float = 1e-5) {
    precondition(
      groups > 0 && features % groups == 0, "\(groups) groups do not divide \(features) features")
    inner = LearnedNorm(features, .group(groups, epsilon: epsilon))
  }

  /// The factor, `[features]`.
  public var weight: Tensor { inner.weight ?? .zero }
  /// The offset, `[features]`.
  public var bias: Tensor { inner.bias ?? .zero }

  /// The normalized input, of its shape `[..., features]`.
  @differentiable(reverse)
  public func callAsFunction(_ input: Tensor) -> Tensor { inner(input) }

  /// Shows the parameters `weight` and `bias`.
  public mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    inner.visitChildren(visit, gradient: gradient?.inner)
  }
}

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
