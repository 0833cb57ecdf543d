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
  private let naming: DecoderTensor.Naming

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
      (source, naming) = ("the metadata", .gguf)
      read = { metadata["\(architecture).\($1)"]?.integerValue.flatMap { Int(exactly: $0) } }
    } else {
      guard let config = model.config, let kind = config["model_type"]?.stringValue,
        Self.models.contains(kind)
      else { return nil }
      (source, naming) = ("config.json", .huggingFace)
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

  /// The shape `[out, in]` of a weight by its name; nil for other tensors.
  func shape(of name: String) -> [Int]? {
    guard case .layer(_, let part) = DecoderTensor(name, in: naming) else { return nil }
    let (query, keyValue) = (heads * headLength, keyValueHeads * headLength)
    switch part {
    case .query: return [query, hidden]
    case .key, .value: return [keyValue, hidden]
    case .attentionOutput: return [hidden, query]
    case .gate, .up: return [intermediate, hidden]
    case .down: return [hidden, intermediate]
    default: return nil
    }
  }
}
