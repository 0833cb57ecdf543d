import ArgumentParser

/// Ids of tokens as `1,2,3`, with spaces and brackets as `tokenize --ids` prints them or without.
struct TokenIDs: ExpressibleByArgument {
  let values: [Int32]

  init?(argument: String) {
    var text = argument.utf8[...]
    func trim() {
      while text.first.map(Self.isSpace) == true { text.removeFirst() }
      while text.last.map(Self.isSpace) == true { text.removeLast() }
    }
    trim()
    if text.first == UInt8(ascii: "["), text.last == UInt8(ascii: "]"), text.count > 1 {
      text = text.dropFirst().dropLast()
      trim()
    }
    let isSeparator = { (byte: UInt8) in byte == UInt8(ascii: ",") || Self.isSpace(byte) }
    var values: [Int32] = []
    for part in text.split(whereSeparator: isSeparator) {
      guard let value = Int32(Substring(part)), value >= 0 else { return nil }
      values.append(value)
    }
    self.values = values
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || (9...13).contains(byte)
  }
}
