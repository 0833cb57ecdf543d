import BitCore
import _Differentiation

/// RMSNorm with a learned factor: x / sqrt(mean(x^2) + eps) * weight over the last axis.
public struct RMSNorm: Layer, Sendable {
  private var inner: LearnedNorm
  /// Names of parameters that are not trained; see ``Module/freeze(where:)``.
  @noDerivative public var frozenParameters: Set<String> = []

  /// A layer of ones.
  public init(_ features: Int, epsilon: Float = 1e-5) {
    inner = LearnedNorm(features, .rms(epsilon: epsilon))
  }

  /// The factor, `[features]`.
  public var weight: Tensor {
    get { inner.weight ?? .zero }
    set { inner.weight = newValue }
  }

  /// The normalized input, of its shape `[..., features]`.
  @differentiable(reverse)
  public func callAsFunction(_ input: Tensor) -> Tensor { inner(input) }

  /// Shows the parameter `weight`.
  public mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    inner.visitChildren(visit, gradient: gradient?.inner)
  }
}

extension RMSNorm: CustomStringConvertible {
  /// The layer in a few words: "RMSNorm(512)".
  public var description: String { LayerDescription.text("RMSNorm", "\(inner.features)") }
}
