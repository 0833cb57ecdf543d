import BitCore
import BitFormats

extension QuantizationRecipe {
  /// b1.58 without a normalization in front of each layer, for models that normalize already:
  /// ternary weights, 8-bit activations with one scale per token. What Hugging Face's layers compute.
  public static let b158WithoutNorm: QuantizationRecipe = {
    var recipe = QuantizationRecipe.b158
    recipe.normalization = nil
    return recipe
  }()
}

extension DecoderModel {
  /// A model with random weights: normal with the deviation 0.02, divided by sqrt(2 * layers) in the
  /// projections whose results are added to hidden states (Radford et al., GPT-2), and norms of ones.
  ///
  /// - Parameters:
  ///   - configuration: what it computes. If `DecoderConfiguration.hasProjectionNorms` is set, each
  ///     BitLinear layer has a learned RMSNorm of its own.
  ///   - recipe: how all linear layers but the output are quantized; nil for linear layers. Its
  ///     normalization is replaced by what `configuration` says.
  ///   - groups: the groups of output rows with a scale each; divides the rows of every layer.
  ///   - generator: determines the weights, which are the same for every recipe.
  public init(
    _ configuration: DecoderConfiguration, recipe: QuantizationRecipe? = nil, groups: Int = 1,
    using generator: inout SeededGenerator
  ) {
    let deviation: Float = 0.02
    let residual = deviation / Float(2 * configuration.layerCount).squareRoot()
    let make = { (tensor: DecoderTensor) -> Tensor in
      let shape = Shape(configuration.shape(of: tensor))
      switch tensor {
      case .layer(_, .attentionOutput), .layer(_, .down):
        return generator.normal(shape, standardDeviation: residual)
      case _ where shape.rank == 2: return generator.normal(shape, standardDeviation: deviation)
      default: return Tensor(repeating: 1, shape: shape)
      }
    }
    self.init(configuration, recipe: recipe, groups: groups, make)
  }

  /// A model of weights that `make` gives, in the order of `DecoderConfiguration.tensors`.
  init<E: Error>(
    _ configuration: DecoderConfiguration, recipe: QuantizationRecipe?, groups: Int = 1,
    _ make: (DecoderTensor) throws(E) -> Tensor
  ) throws(E) {
    precondition(
      recipe != nil || !configuration.hasProjectionNorms,
      "norms of projections belong to quantized layers")
    var weights: [DecoderTensor: Tensor] = [:]
    for tensor in configuration.tensors { weights[tensor] = try make(tensor) }
    var recipe = recipe
    recipe?.normalization =
      configuration.hasProjectionNorms
      ? .rms(epsilon: configuration.projectionNormEpsilon) : nil
    let parts = Parts(
      configuration: configuration, weights: weights, recipe: recipe, groups: groups)
    var settled = configuration
    if let recipe {
      settled.hasLatentWeights = true
      settled.activations =
        recipe.activations.granularity == .token ? .perTokenInt8 : configuration.activations
    } else {
      (settled.hasLatentWeights, settled.activations) = (false, .float)
    }
    self = parts.model(settled)
  }

  /// The same model with norms of ones before the last projection of attention and of the
  /// feed-forward layer, as models of the family bitnet have them: with them, the inputs of these
  /// layers keep one scale while their weights become ternary (Wu et al., arXiv 2510.13998).
  ///
  /// - Returns: a model of the family bitnet; this one if it has such norms.
  public func insertingSubNorms() -> DecoderModel {
    guard !configuration.hasSubNorms else { return self }
    precondition(
      configuration.family == .llama,
      "models of the family \(configuration.family) have no sub-norms")
    var model = self
    model.configuration.family = .bitnet
    model.configuration.hasSubNorms = true
    let parts = Parts(configuration: configuration, weights: [:], recipe: nil, groups: 1)
    for index in layers.indices {
      model.layers[index].attention.subNorm = parts.norm(
        Tensor(repeating: 1, shape: [configuration.headCount * configuration.headLength]))
      model.layers[index].feedForward.subNorm = parts.norm(
        Tensor(repeating: 1, shape: [configuration.intermediateSize]))
    }
    return model
  }

  /// The same model with its linear layers, but not the output, as BitLinear layers of a recipe.
  ///
  /// - Parameters:
  ///   - recipe: how they are quantized; its normalization is left out.
  ///   - groups: the groups of output rows with a scale each.
  public func bitLinear(_ recipe: QuantizationRecipe, groups: Int = 1) -> DecoderModel {
    var recipe = recipe
    recipe.normalization = nil
    var model = quantized(recipe, groups: groups) { name, _ in name != "lm_head" }
    model.configuration.hasLatentWeights = true
    model.configuration.activations =
      recipe.activations.granularity == .token ? .perTokenInt8 : configuration.activations
    return model
  }
}

/// Puts a model together.
private struct Parts {
  let configuration: DecoderConfiguration
  let weights: [DecoderTensor: Tensor]
  let recipe: QuantizationRecipe?
  let groups: Int

  func norm(_ weight: Tensor) -> RMSNorm {
    var norm = RMSNorm(weight.count, epsilon: configuration.normEpsilon)
    norm.weight = weight
    return norm
  }

  private func weight(_ tensor: DecoderTensor) -> Tensor {
    guard let weight = weights[tensor] else {
      preconditionFailure("no weight for \(tensor.name(in: .huggingFace))")
    }
    return weight
  }

  private func norm(_ layer: Int, _ part: DecoderTensor.Part) -> RMSNorm? {
    weights[.layer(layer, part)].map { norm($0) }
  }

  private func projection(_ layer: Int, _ part: DecoderTensor.Part) -> Linear {
    var linear = Linear(weight: weight(.layer(layer, part)))
    guard let recipe else { return linear }
    let norm = part.inputNorm.flatMap { weights[.layer(layer, $0)] }
    linear.quantize(recipe, groups: groups, normWeight: norm)
    return linear
  }

  func model(_ settled: DecoderConfiguration) -> DecoderModel {
    let angles = RotaryAngles(configuration.rotary)
    let layers = (0..<configuration.layerCount).map { layer in
      DecoderBlock(
        attentionNorm: norm(weight(.layer(layer, .attentionNorm))),
        attention: DecoderAttention(
          queryProjection: projection(layer, .query), keyProjection: projection(layer, .key),
          valueProjection: projection(layer, .value),
          outputProjection: projection(layer, .attentionOutput),
          queryNorm: norm(layer, .queryNorm), keyNorm: norm(layer, .keyNorm),
          subNorm: norm(layer, .attentionSubNorm), headLength: configuration.headLength,
          angles: angles),
        feedForwardNorm: norm(weight(.layer(layer, .feedForwardNorm))),
        feedForward: GatedFeedForward(
          gateProjection: projection(layer, .gate), upProjection: projection(layer, .up),
          downProjection: projection(layer, .down), subNorm: norm(layer, .feedForwardSubNorm),
          activation: configuration.activation))
    }
    return DecoderModel(
      embedding: Embedding(weight: weight(.embedding)), layers: layers,
      norm: norm(weight(.outputNorm)),
      head: weights[.output].map { Linear(weight: $0) }, configuration: settled)
  }
}
