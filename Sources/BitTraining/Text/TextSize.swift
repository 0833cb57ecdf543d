/// How much text there is.
public struct TextSize: Sendable, Equatable {
  /// Tokens, special ones among them.
  public var tokens = 0
  /// Characters, that is Unicode scalars, as the tokens spell them: normalized, if the tokenizer
  /// does that, and none for special tokens.
  public var characters = 0
  /// Bytes of UTF-8 of the same.
  public var bytes = 0

  /// No text.
  public init() {}

  /// Adds the size of another text.
  public static func += (a: inout TextSize, b: TextSize) {
    a.tokens += b.tokens
    a.characters += b.characters
    a.bytes += b.bytes
  }
}
