import BitCore
import _Differentiation

/// GroupNorm with a learned factor and offset: each of `groups` equal parts of the last axis has
/// its own mean and variance.
public struct GroupNorm: Layer, Sendable {
  private var inner: LearnedNorm
  /// Names of parameters that are not trained; see ``Module/freeze(where:)``.
  @noDerivative public var frozenParameters: Set<String> = []

  /// A layer of ones and zeros; `groups` must divide `features`.
  public init(_ groups: Int, _ features: Int, epsilon: Float = 1e-5) {
    precondition(
      groups > 0 && features % groups == 0, "\(groups) groups do not divide \(features) features")
    inner = LearnedNorm(features, .group(groups, epsilon: epsilon))
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

extension GroupNorm: CustomStringConvertible {
  /// The layer in a few words: "GroupNorm(4 groups, 512)".
  public var description: String {
    LayerDescription.text("GroupNorm", "\(inner.normalization.groups) groups", "\(inner.features)")
  }
}
