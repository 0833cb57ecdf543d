import BitCore
import BitFiles
import BitFormats

/// What changes when a language model goes from Hugging Face to GGUF or back: names, the order of
/// rows, and where its numbers and its tokenizer are.
struct DecoderCrossing: Sendable {
  /// The model, as it is in the source; nil for a part of one, such as a single layer.
  let configuration: DecoderConfiguration?
  let family: DecoderFamily
  let isToGGUF: Bool
  /// The name in the source of each tensor that both kinds of file have, with its parts.
  private let names: [ByteKey: DecoderTensorName]

  /// The crossing of a model of a known family; nil for other models, and if both files are of the
  /// same kind.
  ///
  /// - Throws: `InputError` if the model is of a known family and does not fit its description, or
  ///   if the target has no words for it.
  init?(_ source: ModelFile, isToGGUF: Bool) throws(InputError) {
    guard source.isGGUF != isToGGUF, let family = DecoderFamily(source) else { return nil }
    (self.family, self.isToGGUF) = (family, isToGGUF)
    var names: [ByteKey: DecoderTensorName] = [:]
    for tensor in source.tensors {
      names[ByteKey(tensor.name)] = DecoderTensorName(
        tensor.name, in: isToGGUF ? .huggingFace : .gguf)
    }
    self.names = names
    let kinds = Set(names.values.map(\.tensor))
    let isWhole = kinds.contains(.embedding) && kinds.contains(.outputNorm)
    configuration = isWhole ? try DecoderConfiguration(source) : nil
    if let configuration {
      try Self.checkTarget(configuration, source, isToGGUF: isToGGUF)
    } else if family == .llama, let tensor = source.tensors.first(where: { isPermuted($0) }) {
      throw InputError(
        .unsupported, source: tensor.source, found: "rows of queries or keys in a part of a model",
        expected: "a whole model, which tells the order of its rows; or --keep-names")
    }
  }

  /// Refuses what the target has no words for, and what other programs would run wrong.
  private static func checkTarget(
    _ configuration: DecoderConfiguration, _ source: ModelFile, isToGGUF: Bool
  ) throws(InputError) {
    func refuse(_ found: String, _ expected: String) -> InputError {
      InputError(.unsupported, source: source.path, found: found, expected: expected)
    }
    if isToGGUF, configuration.family != .bitnet, configuration.activation != .silu {
      throw refuse(
        "the activation \(configuration.activation)",
        "silu, which GGUF programs use for the family \(configuration.family)")
    }
    if isToGGUF, configuration.family == .bitnet, configuration.activations == .float {
      throw refuse(
        "a model of the family bitnet that was trained with floats",
        "one of BitLinear layers, which GGUF programs take this family for")
    }
    if !isToGGUF, configuration.pooling == .mean {
      throw refuse("an embedding that is a mean", "a model whose last token is the embedding")
    }
    if !isToGGUF { _ = try configuration.rotary.huggingFaceScaling(source.path) }
  }

  /// The name in the target; the same for a tensor that no family has.
  func name(of name: String) -> String {
    let known =
      names[ByteKey(name)] ?? DecoderTensorName(name, in: isToGGUF ? .huggingFace : .gguf)
    return known?.name(in: isToGGUF ? .gguf : .huggingFace) ?? name
  }

  /// Whether the target says in another way what a tensor says, or computes it.
  func isDropped(_ name: String) -> Bool {
    guard let known = names[ByteKey(name)] else { return name.hasSuffix(".rotary_emb.inv_freq") }
    switch known.tensor {
    case .ropeFrequencies: return !isToGGUF
    // A tied output layer that is stored once more would count as one of its own in GGUF.
    case .output: return isToGGUF && configuration?.tiesEmbeddings == true
    default: return false
    }
  }

  /// What a tensor is, if it is the weight of one that the family has.
  func kind(of name: String) -> DecoderTensor? {
    names[ByteKey(name)].flatMap { $0.suffix == "weight" ? $0.tensor : nil }
  }

  /// The tensor with its rows in the order of the target.
  func reordered(_ tensor: ModelTensor) -> ModelTensor {
    guard let configuration, family == .llama, isPermuted(tensor) else { return tensor }
    return tensor.reordered(
      HeadRowOrder(
        headLength: configuration.headLength, isToGGUF ? .interleaving : .separating))
  }

  /// Whether the rows of a tensor are in another order in the architecture llama of GGUF.
  private func isPermuted(_ tensor: ModelTensor) -> Bool {
    guard case .layer(_, let part) = kind(of: tensor.name) else { return false }
    return part == .query || part == .key
  }

  /// Whether a tensor is stored as floats, whatever it is in the source: programs read packed
  /// embeddings and output layers from GGUF alone.
  func isFloat(_ tensor: ModelTensor) -> Bool {
    guard !isToGGUF, configuration != nil, tensor.codes != nil else { return false }
    switch kind(of: tensor.name) {
    case .layer(_, let part): return !DecoderTensor.Part.projections.contains(part)
    default: return true
    }
  }

  /// The tensor of the frequencies' divisors, which a GGUF file needs for the scaling of Llama 3.1.
  var divisorsEntry: GGUFEntry? {
    guard isToGGUF, let rotary = configuration?.rotary, case .llama3 = rotary.scaling else {
      return nil
    }
    return GGUFEntry(
      DecoderTensor.ropeFrequencies.name(in: .gguf), Tensor(rotary.divisors))
  }

  /// The `config.json` of the model, which comes from GGUF; nil for one that goes there.
  func config(_ source: ModelFile, _ dtype: DType?) throws(InputError) -> JSONObject? {
    guard !isToGGUF, let configuration else { return nil }
    let scaling = try configuration.rotary.huggingFaceScaling(source.path)
    return JSONObject(configuration, scaling: scaling, dtype: dtype)
  }

  /// The architecture of a GGUF file.
  func architecture(_ source: ModelFile) -> String {
    switch family {
    case .llama: return "llama"
    case .qwen3: return "qwen3"
    case .bitnet:
      // Under the second name the programs that know BitNet use ReLU squared.
      let isSilu =
        configuration.map { $0.activation == .silu }
        ?? (source.config?["hidden_act"]?.stringValue == "silu")
      return isSilu ? "bitnet" : "bitnet-b1.58"
    }
  }
}
