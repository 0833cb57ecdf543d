/// The order in which sampling restricts the tokens to choose from, and what it does with ties.
///
/// The orders differ in the distribution that a limit sees: with a temperature above 1,
/// ``SamplingOptions/topP`` keeps more tokens in Hugging Face's order than in llama.cpp's.
public enum SamplingOrder: String, Sendable, Hashable, CaseIterable {
  /// llama.cpp's: bias, penalties, top-k, top-p, min-p, temperature. Top-k keeps exactly k tokens;
  /// of tokens with equal logits those with lower ids come first.
  case llamaCpp = "llama.cpp"
  /// That of Hugging Face transformers: bias, penalties, temperature, top-k, top-p, min-p. Top-k
  /// keeps all tokens that are as likely as the k-th; of equal ones, top-p removes those with lower
  /// ids first.
  case huggingFace = "hugging-face"
}
