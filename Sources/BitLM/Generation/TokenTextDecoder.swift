/// Turns tokens into text, one after another.
package protocol TokenTextDecoder: Sendable {
  /// The text that is complete with the next token: whole scalars. Bytes that need another token
  /// to become one are held back.
  mutating func append(_ id: Int32) -> String
  /// What is held back when no token follows, with U+FFFD for what is no scalar.
  mutating func finish() -> String
}
