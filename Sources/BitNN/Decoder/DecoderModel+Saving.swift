import BitCore
import BitFiles
import BitFormats
import BitTokenizers

extension DecoderModel {
  /// Writes the model as a Hugging Face folder: `model.safetensors` with float32 weights,
  /// `config.json` and `generation_config.json`, and with a tokenizer `tokenizer.json` and
  /// `tokenizer_config.json`.
  ///
  /// BitLinear layers keep their latent weights, and the configuration says that they are quantized on
  /// every use ("online"), so that the folder computes what the model does in transformers and in
  /// BitLM, and can be trained further. `QuantizedModel` of BitConversion packs it.
  ///
  /// `config.json` comes last and an old one goes first: whatever interrupts that, no configuration
  /// describes tensors that are not its own.
  ///
  /// - Parameters:
  ///   - folder: is made if it does not exist.
  ///   - tokenizer: what texts are cut into tokens with.
  /// - Throws: `InputError`: `.unsupported` for what the files cannot describe: layers of another
  ///   recipe than `QuantizationRecipe.b158WithoutNorm` or in groups, linear layers beside
  ///   BitLinear ones, an output layer that is quantized, biases, and divisors of rotary frequencies
  ///   that are not those of Llama 3.1; `.notFinite` for weights that are not finite; `.inputOutput`
  ///   for trouble with the files.
  public func save(
    toFolder folder: String, tokenizer: TokenizerDefinition? = nil
  ) throws(InputError) {
    let (quantization, scaling) = try checkSaving(toFolder: folder)
    if let bad = parameters().first(where: { !$0.value.isFinite }) {
      throw InputError(
        .notFinite, source: folder, found: "NaN or infinity in \(bad.name)",
        expected: "finite weights")
    }
    var config = JSONObject(configuration, scaling: scaling, dtype: .f32)
    if let quantization {
      config = try quantization.written(into: config, source: folder)
    } else if configuration.family == .bitnet {
      // Without it, readers take the weights of this family for latent ones; transformers does not
      // look at it.
      config["weight_bits"] = 32
    }
    let output = try OutputFolder(folder)
    // What another model left there would be read with this one.
    for name in [
      "config.json", "model.safetensors.index.json", "tokenizer.json", "tokenizer_config.json",
    ] { try output.remove(name) }
    try SafetensorsWriter.write(
      parameters().map { SafetensorsEntry(fileName($0.name), $0.value) },
      metadata: ["format": "pt"],
      to: output.path("model.safetensors"))
    try tokenizer?.write(to: folder)
    let generation = JSONObject(generating: configuration)
    try output.write("generation_config.json", JSONValue.object(generation).encoded + "\n")
    try output.write("config.json", JSONValue.object(config).encoded + "\n")
  }

  /// Checks that the files can describe the model, and says how; throws what
  /// ``save(toFolder:tokenizer:)`` throws of kind `.unsupported`.
  @discardableResult
  package func checkSaving(
    toFolder folder: String
  ) throws(InputError) -> (quantization: HuggingFaceQuantization?, scaling: RotaryScaling) {
    try checkChildren()
    return (
      try huggingFaceQuantization(folder), try configuration.rotary.huggingFaceScaling(folder)
    )
  }

  /// The name of a parameter in the file; Hugging Face's layers call their norm rms_norm.
  private func fileName(_ name: String) -> String {
    guard configuration.hasProjectionNorms, name.hasSuffix("_proj.norm.weight") else { return name }
    return String(name.dropLast("norm.weight".count)) + "rms_norm.weight"
  }

  /// How a file describes the layers; nil for linear ones.
  ///
  /// It says one thing for all projections and takes the output layer for a float one, so a model
  /// that is otherwise must not get into a file.
  private func huggingFaceQuantization(
    _ folder: String
  ) throws(InputError) -> HuggingFaceQuantization? {
    func refused(_ found: String, _ expected: String) -> InputError {
      InputError(.unsupported, source: folder, found: found, expected: expected)
    }
    let isQuantized = !bitLinears().isEmpty
    let quantization = HuggingFaceQuantization(
      linearClass: .autobitlinear, mode: .online, usesRMSNorm: configuration.hasProjectionNorms,
      rmsNormEpsilon: Double(configuration.projectionNormEpsilon))
    for (name, layer) in linears() {
      guard (layer.bitLinear?.bias ?? layer.bias) == nil else {
        throw refused("a bias of \(name)", "layers without one")
      }
      guard name != "lm_head", isQuantized else {
        guard layer.bitLinear == nil else {
          throw refused("a quantized output layer", "a linear one")
        }
        continue
      }
      guard let layer = layer.bitLinear else {
        throw refused("a linear layer \(name) beside BitLinear layers", "layers of one kind")
      }
      guard layer.recipe == quantization.recipe, layer.groups == 1, !layer.isPacked else {
        throw refused(
          "a \(layer.isPacked ? "packed " : "")layer \(name) of "
            + layer.recipe.description(groups: layer.groups),
          "latent weights of " + quantization.recipe.description(groups: 1))
      }
    }
    return isQuantized ? quantization : nil
  }
}
