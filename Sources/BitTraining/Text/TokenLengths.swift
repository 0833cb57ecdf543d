import BitTokenizers

/// How much text tokens stand for.
struct TokenLengths: Sendable {
  /// The bytes of each token, by id.
  private let bytes: [Int32]
  /// The characters, that is Unicode scalars, that begin in each token, by id.
  private let characters: [Int32]

  /// The lengths of a tokenizer's tokens; special ones stand for no text.
  init(_ tokenizer: Tokenizer) {
    var (bytes, characters): ([Int32], [Int32]) = ([], [])
    bytes.reserveCapacity(tokenizer.vocabularySize)
    characters.reserveCapacity(tokenizer.vocabularySize)
    for id in 0..<Int32(tokenizer.vocabularySize) {
      let text = tokenizer.isSpecial(id) ? [] : tokenizer.bytes(of: id)
      bytes.append(Int32(text.count))
      // A character that is spread over tokens counts where its first byte is.
      characters.append(Int32(text.count { $0 & 0xc0 != 0x80 }))
    }
    self.bytes = bytes
    self.characters = characters
  }

  /// One more than the highest id.
  var vocabularySize: Int { bytes.count }

  /// The text of tokens; ids below zero count as none.
  func size(of ids: some Sequence<Int32>) -> TextSize {
    var size = TextSize()
    for id in ids where id >= 0 {
      size.tokens += 1
      size.bytes += Int(bytes[Int(id)])
      size.characters += Int(characters[Int(id)])
    }
    return size
  }
}
