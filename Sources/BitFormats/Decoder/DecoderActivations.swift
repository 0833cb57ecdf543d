/// What the inputs of a model's linear layers were while it was trained, and so should be when it
/// runs.
public enum DecoderActivations: String, Sendable, Hashable, CaseIterable {
  /// 8-bit integers with one scale for each token: BitNet b1.58, Falcon-E, Llama 1.58.
  case perTokenInt8
  /// Floats; only the weights are ternary or signs: Bonsai, TriLM.
  case weightOnly
  /// Floats, and so are the weights: an ordinary model.
  case float
}
