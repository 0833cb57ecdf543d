import BitCore
import _Differentiation

/// A linear layer with 1-bit or ternary weights and integer activations, trained through latent
/// float weights with straight-through gradients.
///
/// ```swift
/// let layer = BitLinear(10, 20)                 // the recipe of BitNet
/// let output = layer(Tensor(repeating: 1, shape: [128, 10]))   // [128, 20]
/// let ternary = BitLinear(10, 20, recipe: .b158)
/// ```
///
/// Forward: the input is normalized (if the recipe says so) and quantized to integers, the weights
/// are quantized to codes with a scale for each group of output rows, and
/// `y = (codes . q) * scale / s (+ bias)` with an exact integer product. ``packedLayer()`` gives the
/// layer for inference, which computes the same bits. See `QuantizationRecipe` for the recipes and
/// `BitLinearOperation` for the gradients.
public struct BitLinear: Layer, Sendable {
  /// Latent weights `[out, in]`; empty once the layer ``isPacked``.
  public var weight: Tensor {
    didSet { requireShape(isPacked ? nil : [outFeatures, inFeatures], of: weight, "weight") }
  }
  /// `[out]`, added after the scales, or nil.
  public var bias: Tensor? {
    didSet { requireShape(isPacked ? nil : [outFeatures], of: bias, "bias") }
  }
  /// The learned factor of the normalization, `[in]`, or nil.
  public var normWeight: Tensor? {
    didSet {
      let hasNorm = !isPacked && recipe.normalization != nil
      requireShape(hasNorm ? [inFeatures] : nil, of: normWeight, "norm weight")
    }
  }
  /// The learned offset of the normalization, `[in]`, or nil.
  public var normBias: Tensor? {
    didSet {
      let hasOffset = !isPacked && recipe.normalization?.isCentered == true
      requireShape(hasOffset ? [inFeatures] : nil, of: normBias, "norm bias")
    }
  }
  /// Names of parameters that are not trained; see ``Module/freeze(where:)``.
  @noDerivative public var frozenParameters: Set<String> = []

  /// How weights and activations are quantized.
  @noDerivative public let recipe: QuantizationRecipe
  /// Equal groups of output rows with a scale each.
  @noDerivative public let groups: Int
  /// The layer's input features.
  @noDerivative public let inFeatures: Int
  /// The layer's output features.
  @noDerivative public let outFeatures: Int
  /// How far quantized values replace latent ones; see `QuantizationStrength`.
  @noDerivative public var strength = QuantizationStrength.full
  @noDerivative private var packedForm: PackedBitLinear?

  /// A layer with parameters from a fresh random seed.
  ///
  /// - Parameters:
  ///   - inFeatures: the last extent of inputs.
  ///   - outFeatures: the last extent of outputs.
  ///   - groups: the number of equal groups of output rows with a scale each; must divide `outFeatures`.
  ///   - bias: whether the layer adds a bias.
  ///   - recipe: `.bitnet`, `.b158`, or one of your own.
  ///   - learnsNorm: whether the recipe's normalization has a learned factor (and, if it
  ///     subtracts the mean, a learned offset).
  public init(
    _ inFeatures: Int, _ outFeatures: Int, groups: Int = 1, bias: Bool = false,
    recipe: QuantizationRecipe = .bitnet, learnsNorm: Bool = false
  ) {
    var generator = SeededGenerator.fresh()
    self.init(
      inFeatures, outFeatures, groups: groups, bias: bias, recipe: recipe, learnsNorm: learnsNorm,
      using: &generator)
  }

  /// A layer with parameters from `generator`.
  public init(
    _ inFeatures: Int, _ outFeatures: Int, groups: Int = 1, bias: Bool = false,
    recipe: QuantizationRecipe = .bitnet, learnsNorm: Bool = false,
    using generator: inout SeededGenerator
  ) {
    self.init(
      weight: .zeros([outFeatures, inFeatures]), bias: bias ? .zeros([outFeatures]) : nil,
      groups: groups, recipe: recipe, learnsNorm: learnsNorm)
    resetParameters(using: &generator)
  }

  /// A layer of the given latent weights `[out, in]` and bias `[out]` or nil.
  public init(
    weight: Tensor, bias: Tensor? = nil, groups: Int = 1, recipe: QuantizationRecipe = .bitnet,
    learnsNorm: Bool = false
  ) {
    precondition(weight.shape.rank == 2, "a weight is [out, in], not \(weight.shape)")
    requireShape([weight.shape[0]], of: bias, "bias")
    precondition(
      groups > 0 && weight.shape[0] % groups == 0,
      "\(groups) groups do not divide \(weight.shape[0]) output features")
    precondition(
      !learnsNorm || recipe.normalization != nil, "the recipe has no normalization to learn")
    self.weight = weight
    self.bias = bias
    self.recipe = recipe
    self.groups = groups
    inFeatures = weight.shape[1]
    outFeatures = weight.shape[0]
    if let normalization = recipe.normalization {
      precondition(
        inFeatures % normalization.groups == 0,
        "\(normalization.groups) groups of the norm do not divide \(inFeatures) input features")
      if learnsNorm {
        normWeight = Tensor(repeating: 1, shape: [inFeatures])
        normBias = normalization.isCentered ? .zeros([inFeatures]) : nil
      }
    }
  }

  /// Draws new latent weights, Kaiming uniform with a = sqrt(5), that is
  /// U(-1/sqrt(in), 1/sqrt(in)), and the bias from the same range; the norm returns to 1 and 0.
  public mutating func resetParameters(using generator: inout SeededGenerator) {
    if let packed = packedForm {
      packedForm = nil
      (bias, normWeight, normBias) = (packed.bias, packed.normWeight, packed.normBias)
    }
    weight = KaimingUniform.weight([outFeatures, inFeatures], using: &generator)
    bias = bias.map { _ in
      KaimingUniform.bias(outFeatures, inFeatures: inFeatures, using: &generator)
    }
    normWeight = normWeight.map { Tensor(repeating: 1, shape: $0.shape) }
    normBias = normBias.map { .zeros($0.shape) }
  }

  /// The output `[..., out]` for an input `[..., in]`.
  @differentiable(reverse)
  public func callAsFunction(_ input: Tensor) -> Tensor {
    if let packedForm { return Self.infer(packedForm, input) }
    return bitLinear(
      input, weight: weight, bias: bias, normWeight: normWeight, normBias: normBias,
      recipe: recipe, groups: groups, strength: strength)
  }

  private static func infer(_ layer: PackedBitLinear, _ input: Tensor) -> Tensor { layer(input) }

  @derivative(of: infer, wrt: input)
  private static func inferDerivative(
    _ layer: PackedBitLinear, _ input: Tensor
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    preconditionFailure("a packed BitLinear has no latent weights to train")
  }

  /// The layer for inference, of this layer's present weights, fully quantized whatever the
  /// ``strength``.
  public func packedLayer() -> PackedBitLinear {
    if let packedForm { return packedForm }
    let matrix = recipe.weightQuantizer.quantize(weight, groups: groups)
    do {
      return try PackedBitLinear(
        matrix: matrix, bias: bias, recipe: recipe, normWeight: normWeight,
        normBias: normBias)
    } catch {
      preconditionFailure("\(error)")
    }
  }

  /// Whether only the packed form is left.
  public var isPacked: Bool { packedForm != nil }

  /// Replaces the latent weights by the packed form, for inference only.
  mutating func pack() { replace(by: packedLayer()) }

  /// Takes the parameters of a packed layer of the same extents and recipe.
  mutating func replace(by layer: PackedBitLinear) {
    packedForm = layer
    weight = .zero
    bias = nil
    normWeight = nil
    normBias = nil
  }

  /// Shows weight, bias and the parameters of the norm; a packed layer has none.
  public mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    visit.bitLinear?(visit.path, &self)
    guard !isPacked else { return }
    visit("weight", &weight, gradient?.weight)
    visit("bias", &bias, gradient?.bias)
    visit("norm.weight", &normWeight, gradient?.normWeight)
    visit("norm.bias", &normBias, gradient?.normBias)
  }
}

extension BitLinear: CustomStringConvertible {
  /// The layer in a few words: "BitLinear(2560 -> 6912, b158, 70.8 MB latent)", or
  /// "BitLinear(2560 -> 6912, b158, 4.4 MB packed)".
  public var description: String {
    let size =
      packedForm.map { "\(LayerDescription.size(bytes: $0.byteCount)) packed" }
      ?? "\(LayerDescription.size(of: weight, bias, normWeight, normBias)) latent"
    return LayerDescription.text(
      "BitLinear", "\(inFeatures) -> \(outFeatures)", LayerDescription.name(of: recipe),
      groups > 1 ? "\(groups) groups" : nil, (packedForm?.bias ?? bias) == nil ? nil : "bias",
      (packedForm?.normWeight ?? normWeight) == nil ? nil : "learned norm", size)
  }
}
