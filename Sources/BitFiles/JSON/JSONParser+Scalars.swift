import BitCore

// The strings and numbers of the JSON grammar.

extension JSONParser {
  /// A string, from its opening quotation mark.
  package mutating func parseString() throws(InputError) -> String {
    let start = place
    place += 1
    // Most strings have no escapes and are taken as one piece.
    while let byte = peek, byte < 0x80, byte >= 0x20, byte != UInt8(ascii: "\""),
      byte != UInt8(ascii: "\\")
    {
      place += 1
    }
    if peek == UInt8(ascii: "\"") {
      let piece = UnsafeRawBufferPointer(rebasing: bytes[start + 1..<place])
      place += 1
      // Much faster than String(validating:), and ASCII needs no validation.
      return String(unsafeUninitializedCapacity: piece.count) { string in
        UnsafeMutableRawBufferPointer(string).copyMemory(from: piece)
        return piece.count
      }
    }
    var decoded: [UInt8] = []
    var pieceStart = start + 1
    while true {
      switch peek {
      case UInt8(ascii: "\""):
        let piece = bytes[pieceStart..<place]
        place += 1
        if decoded.isEmpty { return try text(piece, from: start) }
        decoded += piece
        return try text(decoded, from: start)
      case UInt8(ascii: "\\"):
        decoded += bytes[pieceStart..<place]
        decoded += try parseEscape()
        pieceStart = place
      case nil, .some(0..<0x20):
        throw unexpected("a character or '\"'")
      default:
        place += 1
      }
    }
  }

  /// Appends the bytes of a string, from its opening quotation mark: for a reader of many strings,
  /// to which a `String` for each would be too slow.
  package mutating func parseString(appendingTo text: inout [UInt8]) throws(InputError) {
    let start = place
    let first = text.count
    place += 1
    var pieceStart = place
    var isASCII = true
    while true {
      guard let byte = peek, byte >= 0x20 else { throw unexpected("a character or '\"'") }
      if byte == UInt8(ascii: "\"") { break }
      if byte == UInt8(ascii: "\\") {
        text.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[pieceStart..<place]))
        text.append(contentsOf: try parseEscape())
        pieceStart = place
      } else {
        isASCII = isASCII && byte < 0x80
        place += 1
      }
    }
    text.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[pieceStart..<place]))
    place += 1
    guard isASCII || text.withUnsafeBytes({ UTF8Check.isValid(.init(rebasing: $0[first...])) })
    else { throw malformed("invalid UTF-8 in the string at byte \(start)", "UTF-8") }
  }

  private func text(
    _ bytes: some Sequence<UInt8>, from start: Int
  ) throws(InputError) -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw malformed("invalid UTF-8 in the string at byte \(start)", "UTF-8")
    }
    return text
  }

  private mutating func parseEscape() throws(InputError) -> [UInt8] {
    place += 1
    let escaped: UInt8
    switch peek {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): escaped = bytes[place]
    case UInt8(ascii: "b"): escaped = 0x08
    case UInt8(ascii: "f"): escaped = 0x0c
    case UInt8(ascii: "n"): escaped = 0x0a
    case UInt8(ascii: "r"): escaped = 0x0d
    case UInt8(ascii: "t"): escaped = 0x09
    case UInt8(ascii: "u"): return Array(String(try parseCodePoint()).utf8)
    default: throw unexpected("one of \" \\ / b f n r t u after a backslash")
    }
    place += 1
    return [escaped]
  }

  /// A code point of one or, beyond 0xffff, two units of UTF-16, from the first u.
  private mutating func parseCodePoint() throws(InputError) -> Unicode.Scalar {
    let start = place - 1
    let high = try parseUnit()
    if let scalar = Unicode.Scalar(high) { return scalar }
    if UTF16.isLeadSurrogate(high), take("\\"), peek == UInt8(ascii: "u") {
      let low = try parseUnit()
      if UTF16.isTrailSurrogate(low) {
        return UTF16.decode(UTF16.EncodedScalar([high, low]))
      }
    }
    throw malformed("half of a surrogate pair at byte \(start)", "both halves")
  }

  private mutating func parseUnit() throws(InputError) -> UInt16 {
    place += 1
    var unit: UInt16 = 0
    for _ in 0..<4 {
      guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw unexpected("four hexadecimal digits")
      }
      unit = unit << 4 | UInt16(digit)
      place += 1
    }
    return unit
  }

  /// A number, from its first byte.
  package mutating func parseNumber() throws(InputError) -> JSONValue {
    if let value = takeShortInteger() { return .integer(value) }
    let start = place
    var isWhole = true
    _ = take("-")
    if !take("0") { try skipDigits() }
    if take(".") {
      isWhole = false
      try skipDigits()
    }
    if take("e") || take("E") {
      isWhole = false
      if !take("+") { _ = take("-") }
      try skipDigits()
    }
    let text = String(decoding: bytes[start..<place], as: UTF8.self)
    // An integer would lose the sign of "-0".
    if isWhole, text != "-0", let value = Int64(text) { return .integer(value) }
    guard let value = Double(text), value.isFinite else {
      throw malformed(
        "the number \(text.prefix(40)) at byte \(start)", "a number that a double can hold")
    }
    return .number(value)
  }

  /// A whole number of at most 18 digits, which needs no check for overflow: shapes and offsets are
  /// of this kind. Takes nothing and returns nil for any other number, right or wrong.
  package mutating func takeShortInteger() -> Int64? {
    var end = place
    let isNegative = peek == UInt8(ascii: "-")
    if isNegative { end += 1 }
    let first = end
    var value: Int64 = 0
    while end < bytes.count, end - first <= 18 {
      let digit = bytes[end] &- UInt8(ascii: "0")
      guard digit < 10 else { break }
      value = value &* 10 &+ Int64(digit)
      end += 1
    }
    let count = end - first
    guard (1...18).contains(count), bytes[first] != UInt8(ascii: "0") || count == 1,
      !isNegative || value != 0
    else { return nil }
    let next = end < bytes.count ? bytes[end] : 0
    if next == UInt8(ascii: ".") || next | 0x20 == UInt8(ascii: "e") { return nil }
    place = end
    return isNegative ? -value : value
  }

  private mutating func skipDigits() throws(InputError) {
    let start = place
    while let byte = peek, byte >= 0x30 && byte <= 0x39 { place += 1 }
    if place == start { throw unexpected("a digit") }
  }
}
