import BitCore

/// Whether bytes are UTF-8, without making a string of them.
package enum UTF8Check {
  /// Whether the bytes are UTF-8 as the Unicode standard has it: no longer forms of shorter
  /// characters, no surrogates, nothing beyond U+10FFFF.
  package static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
    firstInvalid(bytes) == nil
  }

  /// Where the first character begins that is none; nil if all bytes are UTF-8.
  package static func firstInvalid(_ bytes: UnsafeRawBufferPointer) -> Int? {
    guard let start = bytes.baseAddress else { return nil }
    var place = 0
    // Most text is ASCII, or becomes so after the mark of a space.
    while !isASCII(start + place, bytes.count - place) {
      while bytes[place] < 0x80 {
        place += bytes.count - place > 8 && isASCII(start + place, 8) ? 8 : 1
      }
      guard let length = characterLength(start + place, bytes.count - place) else { return place }
      place += length
    }
    return nil
  }

  /// Checks that the bytes of a file are text.
  ///
  /// - Parameters:
  ///   - bytes: the bytes.
  ///   - source: the file, for the error.
  ///   - start: where in the file they begin.
  /// - Throws: `InputError` of kind `.malformed` with the byte of the file that is no UTF-8.
  package static func check(
    _ bytes: UnsafeRawBufferPointer, source: String, from start: Int = 0
  ) throws(InputError) {
    guard let place = firstInvalid(bytes) else { return }
    throw InputError(
      .malformed, source: source,
      found:
        "the byte 0x\(ErrorText.hex([bytes[place]])) at offset \(start + place), which begins no "
        + "character of UTF-8", expected: "text in UTF-8")
  }

  /// The length of the character of two bytes or more at the start; nil if it is none.
  private static func characterLength(_ bytes: UnsafeRawPointer, _ count: Int) -> Int? {
    func byte(_ index: Int) -> UInt8 { bytes.load(fromByteOffset: index, as: UInt8.self) }
    // The length, and what the second byte may be.
    let (length, second): (Int, ClosedRange<UInt8>)
    switch byte(0) {
    case 0xc2...0xdf: (length, second) = (2, 0x80...0xbf)
    case 0xe0: (length, second) = (3, 0xa0...0xbf)
    case 0xed: (length, second) = (3, 0x80...0x9f)
    case 0xe1...0xef: (length, second) = (3, 0x80...0xbf)
    case 0xf0: (length, second) = (4, 0x90...0xbf)
    case 0xf1...0xf3: (length, second) = (4, 0x80...0xbf)
    case 0xf4: (length, second) = (4, 0x80...0x8f)
    default: return nil
    }
    guard length <= count, second.contains(byte(1)) else { return nil }
    for index in 2..<length where byte(index) & 0xc0 != 0x80 { return nil }
    return length
  }

  /// Whether no byte is 0x80 or more. The last words overlap those before: a vocabulary is made of
  /// short strings, and going through their ends byte by byte takes longest.
  private static func isASCII(_ bytes: UnsafeRawPointer, _ count: Int) -> Bool {
    func word<Word: FixedWidthInteger & BitwiseCopyable>(_ place: Int, _: Word.Type) -> Word {
      bytes.loadUnaligned(fromByteOffset: place, as: Word.self)
    }
    if count >= 8 {
      for place in stride(from: 0, to: count - 8, by: 8)
      where word(place, UInt64.self) & 0x8080_8080_8080_8080 != 0 { return false }
      return word(count - 8, UInt64.self) & 0x8080_8080_8080_8080 == 0
    }
    if count >= 4 {
      return (word(0, UInt32.self) | word(count - 4, UInt32.self)) & 0x8080_8080 == 0
    }
    if count == 0 { return true }
    return word(0, UInt8.self) | word(count / 2, UInt8.self) | word(count - 1, UInt8.self) < 0x80
  }
}
