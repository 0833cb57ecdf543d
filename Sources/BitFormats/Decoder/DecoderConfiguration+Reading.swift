import BitCore
import BitFiles

extension DecoderConfiguration {
  /// Reads what a file says about a language model, and checks that its tensors are those of it.
  ///
  /// - Parameter model: a Hugging Face checkpoint with its `config.json`, or a GGUF file.
  /// - Throws: `InputError` that names the file: `.missing` for an absent configuration, size or
  ///   tensor, `.malformed` for a value that cannot be, `.mismatch` if values or tensors contradict
  ///   one another, `.unsupported` for another architecture or a variant that is not run here.
  package init(_ model: ModelFile) throws(InputError) {
    let tensors = try DecoderTensors(model)
    if let metadata = model.ggufMetadata {
      try self.init(metadata, model, tensors)
    } else {
      try self.init(huggingFace: model, tensors)
    }
    guard headCount.isMultiple(of: keyValueHeadCount) else {
      throw InputError(
        .mismatch, source: model.path,
        found: "\(headCount) heads of queries and \(keyValueHeadCount) of keys",
        expected: "a multiple")
    }
    guard headLength.isMultiple(of: 2) else {
      throw InputError(
        .malformed, source: model.path, found: "heads of \(headLength) elements",
        expected: "an even number, for rotary embeddings")
    }
    try check(tensors)
    (activations, hasLatentWeights) = try Self.activations(of: model, tensors, self)
  }
}

extension GateActivation {
  /// Reads the value of a key; `fallback` if it is absent.
  init(_ keys: DecoderKeys, _ key: String, or fallback: GateActivation) throws(InputError) {
    guard let name = try keys.text(key) else {
      self = fallback
      return
    }
    guard let known = GateActivation(configurationName: name) else {
      throw keys.error(.unsupported, key, .string(name), "\"silu\" or \"relu2\"")
    }
    self = known
  }
}
