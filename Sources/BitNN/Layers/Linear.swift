import BitCore
import _Differentiation

/// A linear layer in float32, y = x W^T + b, or the BitLinear layer that replaced it.
///
/// ``Module/quantized(_:groups:learnsNorm:filter:)`` turns the linear layers of an existing model
/// into BitLinear layers without a change to the model's type: from then on this layer computes
/// what ``bitLinear`` computes, and holds no weights of its own. (The two states are an optional
/// and not the cases of an enum because the compiler does not differentiate enums.)
public struct Linear: Layer, Sendable {
  /// `[out, in]`; empty once ``bitLinear`` has replaced it.
  public var weight: Tensor {
    didSet {
      requireShape(bitLinear == nil ? [outFeatures, inFeatures] : nil, of: weight, "weight")
    }
  }
  /// `[out]` or nil; nil once ``bitLinear`` has replaced it.
  public var bias: Tensor? {
    didSet { requireShape(bitLinear == nil ? [outFeatures] : nil, of: bias, "bias") }
  }
  /// The layer that computes instead of this one, if any.
  public private(set) var bitLinear: BitLinear?
  /// Names of parameters that are not trained; see ``Module/freeze(where:)``.
  @noDerivative public var frozenParameters: Set<String> = []

  /// The layer's input features.
  @noDerivative public let inFeatures: Int
  /// The layer's output features.
  @noDerivative public let outFeatures: Int

  /// A layer with parameters from a fresh random seed.
  public init(_ inFeatures: Int, _ outFeatures: Int, bias: Bool = true) {
    var generator = SeededGenerator.fresh()
    self.init(inFeatures, outFeatures, bias: bias, using: &generator)
  }

  /// A layer with parameters from `generator`.
  public init(
    _ inFeatures: Int, _ outFeatures: Int, bias: Bool = true,
    using generator: inout SeededGenerator
  ) {
    self.init(weight: .zeros([outFeatures, inFeatures]), bias: bias ? .zeros([outFeatures]) : nil)
    resetParameters(using: &generator)
  }

  /// A layer of the given parameters, `[out, in]` and `[out]` or nil.
  public init(weight: Tensor, bias: Tensor? = nil) {
    precondition(weight.shape.rank == 2, "a weight is [out, in], not \(weight.shape)")
    requireShape([weight.shape[0]], of: bias, "bias")
    self.weight = weight
    self.bias = bias
    inFeatures = weight.shape[1]
    outFeatures = weight.shape[0]
  }

  /// Draws new parameters, as PyTorch does: Kaiming uniform with a = sqrt(5), that is
  /// U(-1/sqrt(in), 1/sqrt(in)), for the weight and the same range for the bias.
  public mutating func resetParameters(using generator: inout SeededGenerator) {
    if bitLinear != nil {
      bitLinear?.resetParameters(using: &generator)
    } else {
      weight = KaimingUniform.weight([outFeatures, inFeatures], using: &generator)
      bias = bias.map { _ in
        KaimingUniform.bias(outFeatures, inFeatures: inFeatures, using: &generator)
      }
    }
  }

  /// The output `[..., out]` for an input `[..., in]`.
  @differentiable(reverse)
  public func callAsFunction(_ input: Tensor) -> Tensor {
    if let bitLinear { return bitLinear(input) }
    return linear(input, weight: weight, bias: bias)
  }

  /// Replaces the float computation by a BitLinear layer with the same weights.
  mutating func quantize(_ recipe: QuantizationRecipe, groups: Int, learnsNorm: Bool) {
    guard bitLinear == nil else { return }
    bitLinear = BitLinear(
      weight: weight, bias: bias, groups: groups, recipe: recipe, learnsNorm: learnsNorm)
    weight = .zero
    bias = nil
  }

  /// The same, with the factor of the recipe's normalization, or nil for one that is not learned.
  mutating func quantize(_ recipe: QuantizationRecipe, groups: Int, normWeight: Tensor?) {
    quantize(recipe, groups: groups, learnsNorm: normWeight != nil)
    if let normWeight { bitLinear?.normWeight = normWeight }
  }

  /// Shows weight and bias under the names `weight` and `bias`, whichever layer holds them.
  public mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    visit.linear?(visit.path, &self)
    if var inner = bitLinear.take() {
      inner.visitChildren(visit, gradient: gradient?.bitLinear.value)
      bitLinear = inner
    } else {
      visit("weight", &weight, gradient?.weight)
      visit("bias", &bias, gradient?.bias)
    }
  }
}

extension Linear: CustomStringConvertible {
  /// The layer in a few words: "Linear(784 -> 512, bias, 1.6 MB)".
  public var description: String {
    bitLinear?.description
      ?? LayerDescription.text(
        "Linear", "\(inFeatures) -> \(outFeatures)", bias == nil ? nil : "bias",
        LayerDescription.size(of: weight, bias))
  }
}
