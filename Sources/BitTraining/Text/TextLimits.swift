/// Bounds on what the readers of text accept, so that a wrong or hostile file ends in an error and
/// not in exhausted memory.
enum TextLimits {
  /// The most bytes of a line of JSONL.
  static let lineBytes = 1 << 26
  /// The most values in a line of JSONL.
  static let lineValues = 1 << 20
  /// The most documents.
  static let documents = 1 << 28
  /// How deep folders may lie in one another.
  static let folderDepth = 32
  /// The most tokens, which take four bytes each.
  static let tokens = Int(Int32.max)
}
