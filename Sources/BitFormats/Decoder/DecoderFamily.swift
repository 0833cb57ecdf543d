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
