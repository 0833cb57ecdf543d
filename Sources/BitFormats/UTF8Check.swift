/// Whether bytes are UTF-8, without making a string of them.
enum UTF8Check {
  /// Whether the bytes are UTF-8 as the Unicode standard has it: no longer forms of shorter
  /// characters, no surrogates, nothing beyond U+10FFFF.
  static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var place = 0
    while place < bytes.count {
      // Most text is ASCII: eight bytes at a time, or four.
      let rest = bytes.count - place
      if rest >= 8,
        bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
      {
        place += 8
        continue
      }
      if rest >= 4,
        bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self) & 0x8080_8080 == 0
      {
        place += 4
        continue
      }
      let first = bytes[place]
      place += 1
      if first < 0x80 { continue }
      // How many bytes follow, and what the first of them may be.
      let (following, second): (Int, ClosedRange<UInt8>)
      switch first {
      case 0xc2...0xdf: (following, second) = (1, 0x80...0xbf)
      case 0xe0: (following, second) = (2, 0xa0...0xbf)
      case 0xed: (following, second) = (2, 0x80...0x9f)
      case 0xe1...0xef: (following, second) = (2, 0x80...0xbf)
      case 0xf0: (following, second) = (3, 0x90...0xbf)
      case 0xf1...0xf3: (following, second) = (3, 0x80...0xbf)
      case 0xf4: (following, second) = (3, 0x80...0x8f)
      default: return false
      }
      guard following <= bytes.count - place, second.contains(bytes[place]) else { return false }
      for index in 1..<following where bytes[place + index] & 0xc0 != 0x80 { return false }
      place += following
    }
    return true
  }
}
