/// A part of the way from tokens back to text.
package enum DecoderStep: Sendable, Equatable {
  /// Each character of a token stands for a byte.
  case byteLevel(PreTokenizerStep.ByteLevel)
  /// Marks are spaces, but for those of the first token.
  case metaspace(PreTokenizerStep.Metaspace)
  /// Puts one text in the place of another in each token.
  case replace(String, with: String)
  /// `<0x00>` to `<0xFF>` stand for bytes.
  case byteFallback
  /// From here on there is one text, not a list of tokens.
  case fuse
  /// Removes up to `start` times a character from the start of the text, `stop` from its end.
  case strip(String, start: Int, stop: Int)
}
