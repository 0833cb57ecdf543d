/// How the pieces of a text become tokens: byte-pair encoding, whose order is given by a list of
/// merges (tokenizer.json, GGUF's "gpt2") or by scores of tokens (SentencePiece, GGUF's "llama").
package struct TokenizerModel: Sendable, Equatable {
  /// What decides which pair becomes one token first.
  package enum Order: Sendable, Equatable {
    /// The earliest merge of the list; of equal ones the leftmost pair.
    case merges([Merge])
    /// The pair whose token has the highest score (one for each id); of equal ones the leftmost.
    case scores([Float])
  }

  /// What decides which pair becomes one token first.
  package var order: Order
  /// Whether a piece that is a token is taken whole, even if no merges lead to it.
  package var ignoresMerges = false
  /// Whether characters without a token become tokens of their bytes, `<0x00>` to `<0xFF>`.
  package var hasByteFallback = false
  /// Whether unknown characters in a row become one unknown token.
  package var fusesUnknown = false
  /// The token of characters that have none, if there is one.
  package var unknown: Int32?

  /// Byte-pair encoding with all flags off.
  package init(order: Order) { self.order = order }
}
