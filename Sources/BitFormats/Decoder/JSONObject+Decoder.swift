import BitCore
import BitFiles

extension JSONObject {
  /// A `config.json` for a language model.
  ///
  /// - Parameters:
  ///   - model: the model.
  ///   - scaling: of the rotary embeddings, in a way that the file can say.
  ///   - dtype: how its floats are stored.
  package init(_ model: DecoderConfiguration, scaling: RotaryScaling, dtype: DType?) {
    let (kind, architecture) =
      switch model.family {
      case .llama: ("llama", "LlamaForCausalLM")
      case .bitnet: ("bitnet", "BitNetForCausalLM")
      case .qwen3: ("qwen3", model.pooling == .none ? "Qwen3ForCausalLM" : "Qwen3Model")
      }
    self = [
      "architectures": [.string(architecture)], "model_type": .string(kind),
      "attention_bias": false, "vocab_size": Self.integer(model.vocabularySize),
      "hidden_size": Self.integer(model.hiddenSize),
      "num_hidden_layers": Self.integer(model.layerCount),
      "intermediate_size": Self.integer(model.intermediateSize),
      "num_attention_heads": Self.integer(model.headCount),
      "num_key_value_heads": Self.integer(model.keyValueHeadCount),
      "head_dim": Self.integer(model.headLength),
      "max_position_embeddings": Self.integer(model.contextLength),
      "rms_norm_eps": Self.number(model.normEpsilon),
      "hidden_act": .string(model.activation.configurationName),
      "rope_theta": Self.number(model.rotary.theta),
      "rope_scaling": Self.value(scaling), "tie_word_embeddings": .bool(model.tiesEmbeddings),
      "use_cache": true,
    ]
    if model.family == .llama { self["mlp_bias"] = false }
    if model.family == .qwen3 {
      self["use_sliding_window"] = false
      self["sliding_window"] = .null
    }
    setSpecialTokens(model)
    let names: [DType: String] = [.f32: "float32", .f16: "float16", .bf16: "bfloat16"]
    if let name = dtype.flatMap({ names[$0] }) { self["torch_dtype"] = .string(name) }
  }

  /// A `generation_config.json`.
  package init(generating model: DecoderConfiguration) {
    self = ["_from_model_config": true]
    setSpecialTokens(model)
  }

  private mutating func setSpecialTokens(_ model: DecoderConfiguration) {
    // Without a member, transformers takes the tokens that the family's best known model has.
    self["bos_token_id"] = model.beginOfSequence.map(Self.integer) ?? .null
    let ends = model.endOfSequence.map(Self.integer)
    self["eos_token_id"] = ends.count > 1 ? .array(ends) : ends.first ?? .null
  }

  private static func integer(_ value: Int) -> JSONValue { .integer(Int64(value)) }

  /// The shortest digits of the float32, not those of its double.
  private static func number(_ value: Float) -> JSONValue {
    .number(Double("\(value)") ?? Double(value))
  }

  private static func value(_ scaling: RotaryScaling) -> JSONValue {
    switch scaling {
    case .none, .divisors: return .null
    case .linear(let factor): return ["rope_type": "linear", "factor": number(factor)]
    case .llama3(let factor, let low, let high, let context):
      return [
        "rope_type": "llama3", "factor": number(factor), "low_freq_factor": number(low),
        "high_freq_factor": number(high), "original_max_position_embeddings": integer(context),
      ]
    case .yarn(let yarn):
      var object: JSONObject = [
        "rope_type": "yarn", "factor": number(yarn.factor),
        "original_max_position_embeddings": integer(yarn.originalContext),
      ]
      if yarn.attentionFactor != RotaryScaling.YaRN.defaultAttentionFactor(yarn.factor) {
        object["attention_factor"] = number(yarn.attentionFactor)
      }
      if yarn.betaFast != 32 { object["beta_fast"] = number(yarn.betaFast) }
      if yarn.betaSlow != 1 { object["beta_slow"] = number(yarn.betaSlow) }
      return .object(object)
    }
  }
}
