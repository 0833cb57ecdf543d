import BitCore
import BitFormats

extension GGUFMetadata {
  /// Adds the numbers of a language model under the keys of llama.cpp.
  mutating func set(_ model: DecoderConfiguration, architecture: String) {
    func integer(_ value: Int) -> GGUFValue { .uint32(UInt32(clamping: value)) }
    var values: [(String, GGUFValue)] = [
      ("vocab_size", integer(model.vocabularySize)),
      ("context_length", integer(model.contextLength)),
      ("embedding_length", integer(model.hiddenSize)), ("block_count", integer(model.layerCount)),
      ("feed_forward_length", integer(model.intermediateSize)),
      ("attention.head_count", integer(model.headCount)),
      ("attention.head_count_kv", integer(model.keyValueHeadCount)),
      ("attention.key_length", integer(model.headLength)),
      ("attention.value_length", integer(model.headLength)),
      ("attention.layer_norm_rms_epsilon", .float32(model.normEpsilon)),
      ("rope.freq_base", .float32(model.rotary.theta)),
      ("rope.dimension_count", integer(model.rotary.length)),
    ]
    values += Self.scaling(model.rotary.scaling)
    if model.family == .bitnet {
      values.append(("hidden_activation", .string(model.activation.configurationName)))
    }
    switch model.pooling {
    case .none:
      // Readers take a model with such norms for one that embeds texts if nothing says otherwise.
      if model.hasProjectionNorms { values.append(("pooling_type", .uint32(0))) }
    case .mean: values.append(("pooling_type", .uint32(1)))
    case .lastToken: values.append(("pooling_type", .uint32(3)))
    }
    for (key, value) in values { self["\(architecture).\(key)"] = value }
  }

  /// Adds the special tokens of a model whose tokenizer is not there.
  mutating func setEnds(_ model: DecoderConfiguration) {
    func set(_ name: String, _ id: Int?) {
      if let id { self["tokenizer.ggml.\(name)_token_id"] = .uint32(UInt32(clamping: id)) }
    }
    set("bos", model.beginOfSequence)
    for (name, id) in zip(["eos", "eot", "eom"], model.endOfSequence) { set(name, id) }
  }

  /// The keys of a scaling; none for that of Llama 3.1, which is a tensor.
  private static func scaling(_ scaling: RotaryScaling) -> [(String, GGUFValue)] {
    switch scaling {
    case .none, .llama3, .divisors: return []
    case .linear(let factor):
      return [("rope.scaling.type", .string("linear")), ("rope.scaling.factor", .float32(factor))]
    case .yarn(let yarn):
      var values: [(String, GGUFValue)] = [
        ("rope.scaling.type", .string("yarn")), ("rope.scaling.factor", .float32(yarn.factor)),
        ("rope.scaling.original_context_length", .uint32(UInt32(clamping: yarn.originalContext))),
      ]
      let usual = RotaryScaling.YaRN.defaultAttentionFactor(yarn.factor)
      if yarn.attentionFactor != usual {
        values.append(("rope.scaling.attn_factor", .float32(yarn.attentionFactor / usual)))
      }
      if yarn.betaFast != 32 {
        values.append(("rope.scaling.yarn_beta_fast", .float32(yarn.betaFast)))
      }
      if yarn.betaSlow != 1 {
        values.append(("rope.scaling.yarn_beta_slow", .float32(yarn.betaSlow)))
      }
      return values
    }
  }
}
