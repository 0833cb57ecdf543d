import BitCore
import BitFiles

extension ModelFile {
  /// Compares the shapes of packed layers with those that the model's configuration asks for.
  ///
  /// A file that was packed in one way and is read in another would have codes of another shape, and
  /// every one of them wrong. Of a layer that contradicts, ``ModelTensor/problem`` says so.
  mutating func checkShapes() {
    guard let shapes = ConfiguredShapes(self) else { return }
    for index in tensors.indices where tensors[index].problem == nil {
      let tensor = tensors[index]
      guard tensor.codes != nil, let expected = shapes.shape(of: tensor.name),
        tensor.shape != expected
      else { continue }
      tensors[index].problem = InputError(
        .mismatch, source: tensor.source,
        found: "\(tensor.type) codes of shape \(ErrorText.list(tensor.shape))",
        expected: "\(ErrorText.list(expected)), as \(shapes.source) says; the codes may be packed "
          + "in another way than this file is read")
    }
  }
}

/// The shapes of the linear layers of a decoder, by the sizes in its configuration.
struct ConfiguredShapes {
  /// Where the sizes come from, for errors.
  let source: String
  private let hidden: Int
  private let intermediate: Int
  private let heads: Int
  private let keyValueHeads: Int
  private let headLength: Int

  /// Models whose projections have exactly these shapes; others may fuse or gate some.
  private static let models: Set = [
    "bitnet", "bitnet-b1.58", "llama", "mistral", "qwen2", "qwen3", "falcon3",
  ]

  /// The sizes of a model; nil if it does not tell them all, or is of another kind.
  init?(_ model: ModelFile) {
    let read: (_ huggingFace: String, _ gguf: String) -> Int?
    if let metadata = model.ggufMetadata {
      guard let architecture = metadata.architecture, Self.models.contains(architecture) else {
        return nil
      }
      source = "the metadata"
      read = { metadata["\(architecture).\($1)"]?.integerValue.flatMap { Int(exactly: $0) } }
    } else {
      guard let config = model.config, let kind = config["model_type"]?.stringValue,
        Self.models.contains(kind)
      else { return nil }
      source = "config.json"
      read = { name, _ in config[name]?.integerValue.flatMap { Int(exactly: $0) } }
    }
    guard let hidden = read("hidden_size", "embedding_length"),
      let intermediate = read("intermediate_size", "feed_forward_length"),
      let heads = read("num_attention_heads", "attention.head_count"), heads > 0, hidden > 0
    else { return nil }
    (self.hidden, self.intermediate, self.heads) = (hidden, intermediate, heads)
    keyValueHeads = read("num_key_value_heads", "attention.head_count_kv") ?? heads
    headLength = read("head_dim", "attention.key_length") ?? hidden / heads
  }

  /// The shape `[out, in]` of a weight by its name in either kind of file; nil for other tensors.
  func shape(of name: String) -> [Int]? {
    let parts = name.split(separator: ".")
    guard parts.count >= 4, parts.last == "weight" else { return nil }
    let isLayer = parts[0] == "blk" && parts.count == 4 || parts.starts(with: ["model", "layers"])
    guard isLayer else { return nil }
    let (query, keyValue) = (heads * headLength, keyValueHeads * headLength)
    switch parts.dropFirst(parts[0] == "blk" ? 2 : 3).dropLast().joined(separator: ".") {
    case "self_attn.q_proj", "attn_q": return [query, hidden]
    case "self_attn.k_proj", "self_attn.v_proj", "attn_k", "attn_v": return [keyValue, hidden]
    case "self_attn.o_proj", "attn_output": return [hidden, query]
    case "mlp.gate_proj", "mlp.up_proj", "ffn_gate", "ffn_up": return [intermediate, hidden]
    case "mlp.down_proj", "ffn_down": return [hidden, intermediate]
    default: return nil
    }
  }
}
