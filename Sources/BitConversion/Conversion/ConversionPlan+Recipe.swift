import BitCore
import BitFormats

extension ConversionPlan {
  /// What a Hugging Face file says: the source's words, or else what its layers need; and the layer
  /// whose recipe it cannot say.
  static func quantization(
    _ source: ModelFile, _ type: ConversionType, _ options: ConversionOptions
  ) throws(InputError) -> (HuggingFaceQuantization, obstacle: InputError?) {
    var quantization =
      source.quantization ?? HuggingFaceQuantization(linearClass: .autobitlinear)
    quantization.mode = .offline
    guard type == .hf else { return (quantization, nil) }
    var first: QuantizationRecipe?
    for tensor in source.tensors where tensor.codes != nil {
      guard let members = source.members(of: tensor), source.quantization == nil else {
        if let obstacle = try obstacle(source, tensor, options, quantization) {
          return (quantization, obstacle)
        }
        continue
      }
      let recipe = try QuantizationRecipe(json: .object(members), source: tensor.source)
      if let norm = recipe.normalization, norm == .rms(epsilon: norm.epsilon) {
        quantization.usesRMSNorm = true
        quantization.rmsNormEpsilon = Double(norm.epsilon)
      }
      guard recipe == quantization.recipe, first == nil || first == recipe else {
        let obstacle = InputError(
          .unsupported, source: tensor.source, found: recipe.description(groups: 1),
          expected: "\(quantization.recipe.description(groups: 1)), as Hugging Face's layers are")
        return (quantization, obstacle)
      }
      first = recipe
    }
    return (quantization, nil)
  }

  /// What keeps a Hugging Face file from saying how a layer quantizes its activations, if the layer
  /// is not the only one to say it: the source says more, or the caller does.
  private static func obstacle(
    _ source: ModelFile, _ tensor: ModelTensor, _ options: ConversionOptions,
    _ quantization: HuggingFaceQuantization
  ) throws(InputError) -> InputError? {
    var recipe = options.recipe
    if let members = source.members(of: tensor) {
      recipe = try QuantizationRecipe(json: .object(members), source: tensor.source)
    }
    let expected = quantization.recipe.activations
    guard let found = recipe?.activations, found != expected else { return nil }
    return InputError(
      .unsupported, source: tensor.source, found: "activations of \(found)",
      expected: "\(expected), as in Hugging Face's layers")
  }
}
