import BitCore
import BitFiles

extension DecoderConfiguration {
  /// What a value is in transformers if `config.json` has none.
  private struct Defaults {
    var epsilon: Float = 1e-6
    var theta: Float = 10_000
    var context = 2048
    var activation = GateActivation.silu
    /// Nil for the hidden size divided by the heads.
    var headLength: Int?

    init(_ family: DecoderFamily, _ modelType: String) {
      switch (family, modelType) {
      case (.bitnet, "bitnet"):
        (epsilon, theta, activation) = (1e-5, 500_000, .squaredReLU)
      case (.qwen3, _): (context, headLength) = (32_768, 128)
      case (_, "mistral"): context = 131_072
      default: break
      }
    }
  }

  /// Reads `config.json` and what is beside it; `activations` and `hasLatentWeights` are not
  /// decided yet.
  init(huggingFace model: ModelFile, _ tensors: DecoderTensors) throws(InputError) {
    guard let config = model.config else {
      throw InputError(
        .missing, source: model.path, found: "no config.json",
        expected: "one beside the tensors, which tells what they are")
    }
    let keys = DecoderKeys(config, source: "\(model.path), config.json")
    let (family, modelType) = try Self.family(config, keys)
    let defaults = Defaults(family, modelType)
    self.family = family
    vocabularySize = try keys.required("vocab_size", in: DecoderLimits.vocabulary)
    hiddenSize = try keys.required("hidden_size", in: DecoderLimits.hidden)
    layerCount = try keys.required("num_hidden_layers", in: DecoderLimits.layers)
    intermediateSize = try keys.required("intermediate_size", in: DecoderLimits.intermediate)
    headCount = try keys.required("num_attention_heads", in: DecoderLimits.heads)
    keyValueHeadCount =
      try keys.integer("num_key_value_heads", in: DecoderLimits.heads) ?? headCount
    headLength = try Self.headLength(keys, defaults.headLength, hiddenSize, headCount)
    contextLength =
      try keys.integer("max_position_embeddings", in: DecoderLimits.context) ?? defaults.context
    normEpsilon =
      try keys.number("rms_norm_eps", in: DecoderLimits.epsilon) ?? defaults.epsilon
    activation = try GateActivation(keys, "hidden_act", or: defaults.activation)
    rotary = try RotaryEmbedding(
      keys, length: headLength, context: contextLength, defaultTheta: defaults.theta)
    isInterleaved = false
    hasSubNorms = family == .bitnet
    hasQueryKeyNorms = family == .qwen3
    hasProjectionNorms =
      model.quantization?.usesRMSNorm == true
      || tensors.has(DecoderTensor.Part.projections.compactMap(\.inputNorm))
    projectionNormEpsilon =
      model.quantization.flatMap { $0.usesRMSNorm ? Float($0.rmsNormEpsilon) : nil } ?? normEpsilon
    tiesEmbeddings =
      try keys.flag("tie_word_embeddings") ?? (tensors[.output] == nil)
    let special = try SpecialTokens(model, keys)
    (beginOfSequence, endOfSequence) = (special.begin, special.end)
    // BitNet-embedding is of the family qwen3 and has no output layer.
    let mayEmbed = family == .qwen3 && tensors[.output] == nil && hasProjectionNorms
    pooling = try Self.pooling(model, fallback: mayEmbed ? .lastToken : .none)
    (activations, hasLatentWeights) = (.float, false)
    try Self.refuseVariants(keys, modelType, contextLength)
    try refuseUnconverted(model)
  }

  /// The family, and the name that the file gives it.
  private static func family(
    _ config: JSONObject, _ keys: DecoderKeys
  ) throws(InputError) -> (DecoderFamily, String) {
    guard let type = try keys.text("model_type") else {
      throw keys.error(.missing, "model_type", nil, "the kind of model")
    }
    guard let family = DecoderFamily(config) else {
      throw keys.error(
        .unsupported, "model_type", .string(type), "llama, mistral, bitnet or qwen3")
    }
    return (family, type)
  }

  private static func headLength(
    _ keys: DecoderKeys, _ fallback: Int?, _ hidden: Int, _ heads: Int
  ) throws(InputError) -> Int {
    if let length = try keys.integer("head_dim", in: DecoderLimits.headLength) ?? fallback {
      return length
    }
    guard hidden.isMultiple(of: heads), DecoderLimits.headLength.contains(hidden / heads) else {
      throw InputError(
        .mismatch, source: keys.source, found: "hidden_size \(hidden) and \(heads) heads",
        expected: "a multiple, or head_dim")
    }
    return hidden / heads
  }

  /// Refuses what changes the graph in a way that is not run here.
  private static func refuseVariants(
    _ keys: DecoderKeys, _ modelType: String, _ context: Int
  ) throws(InputError) {
    try keys.refuse(
      ["attention_bias", "mlp_bias", "use_sliding_window", "is_encoder_decoder"],
      unless: { $0 == .bool(false) })
    try keys.refuse(
      [
        "num_experts", "num_local_experts", "attn_logit_softcapping", "final_logit_softcapping",
        "embedding_multiplier", "residual_multiplier", "attention_multiplier", "logits_scaling",
        "query_pre_attn_scalar", "mtp_num_hidden_layers",
      ], unless: { $0 == .integer(0) })
    try keys.refuse(["partial_rotary_factor"], unless: { $0.doubleValue == 1 })
    try keys.refuse(["no_rope_layers"], unless: { $0 == .array([]) })
    try keys.refuse(["layer_types"]) {
      $0.arrayValue?.allSatisfy { $0.stringValue == "full_attention" } == true
    }
    // Only qwen3 has a switch; mistral's default is a window.
    if try keys.flag("use_sliding_window") == nil {
      let covers: (JSONValue) -> Bool = { $0.integerValue.map { $0 >= context } == true }
      try keys.refuse(["sliding_window"], unless: covers)
      if modelType == "mistral", !keys.hasMember("sliding_window") {
        throw keys.error(
          .unsupported, "sliding_window", nil, "null, for attention to all positions")
      }
    }
  }

  /// Refuses models of which some projections stay ordinary layers while others are quantized.
  private func refuseUnconverted(_ model: ModelFile) throws(InputError) {
    let projections = DecoderTensor.Part.projections.map {
      DecoderTensor.layer(0, $0).name(in: .huggingFace)
    }
    for module in model.quantization?.modulesToNotConvert ?? [] {
      guard let name = projections.first(where: { $0.contains(module) }) else { continue }
      throw InputError(
        .unsupported, source: model.path,
        found: "modules_to_not_convert with \(ErrorText.quoted(module))",
        expected: "none that is part of \(name)")
    }
  }

  /// What sentence-transformers stores beside an embedding model.
  private static func pooling(
    _ model: ModelFile, fallback: DecoderPooling
  ) throws(InputError) -> DecoderPooling {
    guard let object = try model.sibling("1_Pooling/config.json") else { return fallback }
    let keys = DecoderKeys(object, source: "\(model.path), 1_Pooling/config.json")
    try keys.refuse(
      [
        "pooling_mode_cls_token", "pooling_mode_max_tokens", "pooling_mode_weightedmean_tokens",
        "pooling_mode_mean_sqrt_len_tokens",
      ], unless: { $0 == .bool(false) })
    let isLast = try keys.flag("pooling_mode_lasttoken") == true
    let isMean = try keys.flag("pooling_mode_mean_tokens") == true
    guard isLast != isMean else {
      throw InputError(
        .unsupported, source: keys.source, found: isLast ? "two ways" : "no known way",
        expected: "the last token or the mean of all")
    }
    return isLast ? .lastToken : .mean
  }
}
