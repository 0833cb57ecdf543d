import BitFormats
import BitFiles

/// The metadata of a GGUF file for a checkpoint in the layout of Hugging Face.
enum BitNetMetadata {
  /// What `config.json` tells, in the words of llama.cpp; more than the names only for BitNet models.
  static func metadata(of source: ModelFile) -> GGUFMetadata {
    let config = source.config ?? [:]
    let model = config["model_type"]?.stringValue
    // Under this name the programs that know BitNet use ReLU squared, which the model has.
    let architecture =
      source.isBitNet
      ? (config["hidden_act"]?.stringValue == "silu" ? "bitnet" : "bitnet-b1.58")
      : model ?? "bitlinear"
    let floats = source.tensors.filter { if case .floats = $0.content { true } else { false } }
    let largest = floats.max { $0.byteCount < $1.byteCount }?.type
    var fileType: UInt32 = 0
    if largest == .safetensors(.f16) { fileType = 1 }
    if largest == .safetensors(.bf16) { fileType = 32 }
    var metadata: GGUFMetadata = [
      "general.architecture": .string(architecture),
      "general.name": .string(name(of: source)),
      "general.file_type": .uint32(fileType),
      "general.quantization_version": .uint32(2),
    ]
    guard source.isBitNet else { return metadata }
    func set(_ key: String, integer name: String) {
      if let value = config[name]?.integerValue.flatMap({ UInt32(exactly: $0) }) {
        metadata["\(architecture).\(key)"] = .uint32(value)
      }
    }
    func set(_ key: String, float value: Double?) {
      if let value { metadata["\(architecture).\(key)"] = .float32(Float(value)) }
    }
    set("vocab_size", integer: "vocab_size")
    set("context_length", integer: "max_position_embeddings")
    set("embedding_length", integer: "hidden_size")
    set("block_count", integer: "num_hidden_layers")
    set("feed_forward_length", integer: "intermediate_size")
    set("attention.head_count", integer: "num_attention_heads")
    let hasGroups = config["num_key_value_heads"] != nil
    set(
      "attention.head_count_kv", integer: hasGroups ? "num_key_value_heads" : "num_attention_heads")
    set("attention.layer_norm_rms_epsilon", float: config["rms_norm_eps"]?.doubleValue)
    set(
      "rope.freq_base",
      float: config["rope_theta"]?.doubleValue
        ?? config["rope_parameters"]?["rope_theta"]?.doubleValue ?? 500_000)
    if let size = config["hidden_size"]?.integerValue,
      let heads = config["num_attention_heads"]?.integerValue, heads > 0,
      let length = UInt32(exactly: config["head_dim"]?.integerValue ?? size / heads)
    {
      metadata["\(architecture).rope.dimension_count"] = .uint32(length)
    }
    if let activation = config["hidden_act"]?.stringValue {
      metadata["\(architecture).hidden_activation"] = .string(activation)
    }
    return metadata
  }

  /// What the model calls itself, or else the name of its file or folder.
  private static func name(of source: ModelFile) -> String {
    if let name = source.config?["_name_or_path"]?.stringValue, !name.isEmpty { return name }
    let parts = source.path.split(separator: "/").map(String.init)
    guard let last = parts.last(where: { $0 != "." && $0 != ".." }) else { return "model" }
    return last.hasSuffix(".safetensors") ? String(last.dropLast(12)) : last
  }

  /// A `config.json` for the metadata of a BitNet model in a GGUF file; nil for another model.
  static func config(of source: ModelFile) -> JSONObject? {
    guard let metadata = source.ggufMetadata, source.isBitNet,
      let architecture = metadata.architecture
    else { return nil }
    var config: JSONObject = [
      "architectures": ["BitNetForCausalLM"], "model_type": "bitnet",
    ]
    func value(_ key: String) -> GGUFValue? { metadata["\(architecture).\(key)"] }
    func set(_ name: String, integer key: String) {
      if let number = value(key)?.integerValue { config[name] = .integer(number) }
    }
    func set(_ name: String, float key: String) {
      // The shortest digits of the float32, not those of its double.
      if let number = value(key)?.doubleValue, let short = Double("\(Float(number))") {
        config[name] = .number(short)
      }
    }
    set("vocab_size", integer: "vocab_size")
    if let embedding = source.tensors.first(where: { $0.name == "token_embd.weight" }) {
      config["vocab_size"] = .integer(Int64(embedding.rows))
    }
    set("max_position_embeddings", integer: "context_length")
    set("hidden_size", integer: "embedding_length")
    set("num_hidden_layers", integer: "block_count")
    set("intermediate_size", integer: "feed_forward_length")
    set("num_attention_heads", integer: "attention.head_count")
    set("num_key_value_heads", integer: "attention.head_count_kv")
    set("rms_norm_eps", float: "attention.layer_norm_rms_epsilon")
    set("rope_theta", float: "rope.freq_base")
    config["hidden_act"] =
      value("hidden_activation")?.stringValue.map(JSONValue.string)
      ?? (architecture == "bitnet" ? "silu" : "relu2")
    config["tie_word_embeddings"] = .bool(
      !source.tensors.contains { $0.name == "output.weight" })
    for (name, key) in [("bos_token_id", "bos"), ("eos_token_id", "eos")] {
      if let number = metadata["tokenizer.ggml.\(key)_token_id"]?.integerValue {
        config[name] = .integer(number)
      }
    }
    return config
  }
}
