import BitCore
import _Differentiation

/// LayerNorm with a learned factor and offset over the last axis.
public struct LayerNorm: Layer, Sendable {
  private var inner: LearnedNorm
  /// Names of parameters that are not trained; see ``Module/freeze(where:)``.
  @noDerivative public var frozenParameters: Set<String> = []

  /// A layer of ones and zeros.
  public init(_ features: Int, epsilon: Float = 1e-5) {
    inner = LearnedNorm(features, .layer(epsilon: epsilon))
  }

  /// The factor, `[features]`.
  public var weight: Tensor {
    get { inner.weight ?? .zero }
    set { inner.weight = newValue }
  }
  /// The offset, `[features]`.
  public var bias: Tensor {
    get { inner.bias ?? .zero }
    set { inner.bias = newValue }
  }

  /// The normalized input, of its shape `[..., features]`.
  @differentiable(reverse)
  public func callAsFunction(_ input: Tensor) -> Tensor { inner(input) }

  /// Shows the parameters `weight` and `bias`.
  public mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    inner.visitChildren(visit, gradient: gradient?.inner)
  }
}

extension LayerNorm: CustomStringConvertible {
  /// The layer in a few words: "LayerNorm(512)".
  public var description: String {
    LayerDescription.text("LayerNorm", "\(inner.features)")
  }
}
