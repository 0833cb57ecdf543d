/// What a vocabulary may have at most, so that a small hostile file cannot take much memory.
enum TokenizerLimits {
  /// Bytes of tokenizer.json.
  static let fileBytes = 1 << 28
  /// Bytes of the smaller files beside it.
  static let configurationBytes = 1 << 26
  /// Tokens, and so also ids.
  static let tokens = 1 << 22
  /// Bytes of a token.
  static let tokenBytes = 1 << 16
  /// Bytes of an added token: each place of a text may be compared with all of it.
  static let addedTokenBytes = 1 << 9
  /// Bytes of a token that merges by scores: it is looked at cut at each of its characters.
  static let scoredTokenBytes = 1 << 10
  /// Merges.
  static let merges = 1 << 24
  /// Ids without a token, beyond one for each token.
  static let holes = 1 << 10
  /// Normalizers, pre-tokenizers, decoders.
  static let steps = 32
  /// Bytes of a text that a normalizer or decoder puts in.
  static let insertedBytes = 64
}
