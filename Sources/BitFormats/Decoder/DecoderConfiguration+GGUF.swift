import BitCore
import BitFiles

extension DecoderConfiguration {
  /// Reads the metadata of a GGUF file; `activations` and `hasLatentWeights` are not decided yet.
  init(
    _ metadata: GGUFMetadata, _ model: ModelFile, _ tensors: DecoderTensors
  ) throws(InputError) {
    let keys = DecoderKeys(metadata, source: model.path)
    let architecture = try keys.text("general.architecture") ?? ""
    family = try Self.family(architecture, keys)
    let name: (String) -> String = { "\(architecture).\($0)" }
    hiddenSize = try keys.required(name("embedding_length"), in: DecoderLimits.hidden)
    layerCount = try keys.required(name("block_count"), in: DecoderLimits.layers)
    intermediateSize = try keys.required(
      name("feed_forward_length"), in: DecoderLimits.intermediate)
    headCount = try keys.required(name("attention.head_count"), in: DecoderLimits.heads)
    keyValueHeadCount =
      try keys.integer(name("attention.head_count_kv"), in: DecoderLimits.heads) ?? headCount
    headLength = try Self.headLength(keys, name, hiddenSize, headCount)
    contextLength = try keys.required(name("context_length"), in: DecoderLimits.context)
    guard
      let epsilon = try keys.number(
        name("attention.layer_norm_rms_epsilon"), in: DecoderLimits.epsilon)
    else {
      throw keys.error(.missing, name("attention.layer_norm_rms_epsilon"), nil, "a number")
    }
    (normEpsilon, projectionNormEpsilon) = (epsilon, epsilon)
    if let own = model.quantization, own.usesRMSNorm {
      projectionNormEpsilon = Float(own.rmsNormEpsilon)
    }
    // In the first two names the model is meant to use ReLU squared; the third is also that of
    // 1bitLLM's models, which do not.
    let isSquared = architecture == "bitnet-25" || architecture == "bitnet-b1.58"
    activation = try GateActivation(
      keys, name("hidden_activation"), or: isSquared ? .squaredReLU : .silu)
    isInterleaved = architecture == "llama"
    hasSubNorms = family == .bitnet
    hasQueryKeyNorms = family == .qwen3
    hasProjectionNorms = tensors.has(DecoderTensor.Part.projections.compactMap(\.inputNorm))
    tiesEmbeddings = tensors[.output] == nil
    let special = try SpecialTokens(keys)
    (beginOfSequence, endOfSequence) = (special.begin, special.end)
    pooling = try Self.pooling(
      keys, name("pooling_type"), fallback: hasProjectionNorms ? .lastToken : .none)
    vocabularySize = try Self.vocabularySize(keys, name("vocab_size"), tensors)
    rotary = try RotaryEmbedding(keys, name, length: headLength, context: contextLength, tensors)
    (activations, hasLatentWeights) = (.float, false)
    try Self.refuseVariants(keys, name, contextLength)
  }

  private static func family(
    _ architecture: String, _ keys: DecoderKeys
  ) throws(InputError) -> DecoderFamily {
    guard let family = DecoderFamily(architecture: architecture) else {
      throw keys.error(
        .unsupported, "general.architecture", .string(architecture),
        "llama, bitnet, bitnet-25, bitnet-b1.58 or qwen3")
    }
    return family
  }

  private static func headLength(
    _ keys: DecoderKeys, _ name: (String) -> String, _ hidden: Int, _ heads: Int
  ) throws(InputError) -> Int {
    let lengths = try ["attention.key_length", "attention.value_length", "rope.dimension_count"]
      .map { (key) throws(InputError) in
        try keys.integer(name(key), in: DecoderLimits.headLength)
      }
    let known = lengths.compactMap { $0 }
    if let length = lengths[0] ?? lengths[1] {
      guard known.allSatisfy({ $0 == length }) else {
        throw InputError(
          .unsupported, source: keys.source,
          found: "key_length, value_length and rope.dimension_count \(ErrorText.list(known))",
          expected: "the same for all")
      }
      return length
    }
    guard hidden.isMultiple(of: heads), DecoderLimits.headLength.contains(hidden / heads) else {
      throw InputError(
        .mismatch, source: keys.source, found: "rows of \(hidden) and \(heads) heads",
        expected: "a multiple, or \(name("attention.key_length"))")
    }
    guard lengths[2] == nil || lengths[2] == hidden / heads else {
      throw InputError(
        .unsupported, source: keys.source,
        found: "\(name("rope.dimension_count")) \(lengths[2] ?? 0)",
        expected: "the \(hidden / heads) elements of a head")
    }
    return hidden / heads
  }

  /// The rows of the embedding, with which all that the file says must agree.
  private static func vocabularySize(
    _ keys: DecoderKeys, _ key: String, _ tensors: DecoderTensors
  ) throws(InputError) -> Int {
    guard let embedding = tensors[.embedding] else {
      throw InputError(
        .missing, source: keys.source,
        found: "no tensor \"\(DecoderTensor.embedding.name(in: .gguf))\"",
        expected: "the embeddings of tokens")
    }
    let rows = embedding.rows
    if let size = try keys.integer(key, in: DecoderLimits.vocabulary), size != rows {
      throw InputError(
        .mismatch, source: embedding.source, found: "\(rows) rows",
        expected: "the \(size) of \(key)")
    }
    return rows
  }

  private static func pooling(
    _ keys: DecoderKeys, _ key: String, fallback: DecoderPooling
  ) throws(InputError) -> DecoderPooling {
    switch try keys.integer(key, in: Int(Int32.min)...Int(Int32.max)) {
    case nil: return fallback
    case 0: return .none
    case 1: return .mean
    case 3: return .lastToken
    case let other?:
      throw keys.error(
        .unsupported, key, .integer(Int64(other)), "0 (none), 1 (mean) or 3 (last token)")
    }
  }

  /// Refuses what changes the graph in a way that is not run here.
  private static func refuseVariants(
    _ keys: DecoderKeys, _ name: (String) -> String, _ context: Int
  ) throws(InputError) {
    try keys.refuse(
      [
        "expert_count", "logit_scale", "residual_scale", "embedding_scale", "attention.scale",
        "attention.clamp_kqv", "attn_logit_softcapping", "final_logit_softcapping",
        "rope.dimension_sections", "ssm.state_size", "nextn_predict_layers",
      ].map(name), unless: { $0.doubleValue == 0 })
    try keys.refuse([name("attention.causal")], unless: { $0 == .bool(true) })
    try keys.refuse([name("use_parallel_residual")], unless: { $0 == .bool(false) })
    try keys.refuse([name("attention.sliding_window")]) { value in
      value.integerValue.map { $0 == 0 || $0 >= context } == true
    }
  }
}
