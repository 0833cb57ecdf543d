import BitCore
import _Differentiation

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
