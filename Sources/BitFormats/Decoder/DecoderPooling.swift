/// What becomes of the last hidden states of a text.
public enum DecoderPooling: String, Sendable, Hashable, CaseIterable {
  /// Each gives the logits of the next token.
  case none
  /// That of the last token is the embedding of the text.
  case lastToken
  /// Their mean is the embedding of the text.
  case mean
}
