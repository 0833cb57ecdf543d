import BitCore
import BitFiles

/// A family of decoder-only language models: its graph, and how its files name things.
///
/// All have RMSNorm before each half of a layer, grouped-query attention with rotary embeddings, a
/// gated feed-forward layer and no biases.
public enum DecoderFamily: String, Sendable, Hashable, CaseIterable {
  /// Llama, Mistral without a sliding window, Falcon3 and Falcon-E.
  case llama
  /// BitNet b1.58: as llama, with norms before the last projection of attention and of the
  /// feed-forward layer (arXiv 2504.12285); 1bitLLM's models too.
  case bitnet
  /// Qwen 3: as llama, with norms of the queries and keys of each head (arXiv 2505.09388).
  case qwen3
}

extension DecoderFamily {
  /// The family of a model by the name that its file gives to it; nil for another model.
  package init?(_ model: ModelFile) {
    if let metadata = model.ggufMetadata {
      guard let architecture = metadata.architecture else { return nil }
      self.init(architecture: architecture)
    } else {
      guard let config = model.config else { return nil }
      self.init(config)
    }
  }

  /// The family of an architecture of GGUF.
  init?(architecture: String) {
    switch architecture {
    case "llama": self = .llama
    case "bitnet", "bitnet-25", "bitnet-b1.58": self = .bitnet
    case "qwen3": self = .qwen3
    default: return nil
    }
  }

  /// The family of a `config.json`.
  init?(_ config: JSONObject) {
    // 1bitLLM's models call themselves llama.
    let architectures = config["architectures"]?.arrayValue?.compactMap(\.stringValue) ?? []
    if architectures.contains(where: { $0.lowercased() == "bitnetforcausallm" }) {
      self = .bitnet
      return
    }
    switch config["model_type"]?.stringValue {
    case "llama", "mistral", "falcon3": self = .llama
    case "bitnet": self = .bitnet
    case "qwen3": self = .qwen3
    default: return nil
    }
  }
}
