import BitCore
import BitFiles

// The tokens inside of tags.

extension TemplateLexer {
  /// The tokens of a tag, to its end. An end inside of brackets is none: `{{ {'a': {}} }}`.
  mutating func takeTokens(isBlock: Bool) throws(InputError) {
    var brackets: [UInt8] = []
    while true {
      skipSpace()
      if brackets.isEmpty, isBlock ? takeBlockEnd() : takePrintEnd() { return }
      guard place < bytes.count else {
        throw malformed("the end of the template", isBlock ? "\"%}\"" : "\"}}\"")
      }
      switch bytes[place] {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): try takeNumber()
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "_"):
        takeName()
      case UInt8(ascii: "'"), UInt8(ascii: "\""): try takeString()
      default: try takeSymbol(&brackets)
      }
    }
  }

  private mutating func takeName() {
    let start = place
    while place < bytes.count, Self.isWord(bytes[place]) { place += 1 }
    append(.name(String(decoding: bytes[start..<place], as: UTF8.self)))
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  private mutating func takeSymbol(_ brackets: inout [UInt8]) throws(InputError) {
    let byte = bytes[place]
    for symbol in ["//", "**", "==", "!=", ">=", "<="] {
      if bytes[place...].starts(with: symbol.utf8) {
        append(.symbol(symbol))
        place += 2
        return
      }
    }
    switch byte {
    case UInt8(ascii: "("): brackets.append(UInt8(ascii: ")"))
    case UInt8(ascii: "["), UInt8(ascii: "{"): brackets.append(byte + 2)
    case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: "}"):
      let opened = brackets.popLast()
      if opened != byte {
        throw malformed(
          "\"\(Unicode.Scalar(byte))\"",
          opened.map { "\"\(Unicode.Scalar($0))\"" } ?? "an opening bracket before it")
      }
    case UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "/"), UInt8(ascii: "*"),
      UInt8(ascii: "%"), UInt8(ascii: "~"), UInt8(ascii: ">"), UInt8(ascii: "<"),
      UInt8(ascii: "="), UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "|"),
      UInt8(ascii: ","):
      break
    default:
      let text = String(decoding: bytes[place..<min(place + 4, bytes.count)], as: UTF8.self)
      throw malformed(
        "the character \(ErrorText.quoted(String(text.unicodeScalars.prefix(1))))",
        "an expression")
    }
    append(.symbol(String(Unicode.Scalar(byte))))
    place += 1
  }

  /// A number as Python writes it: `12`, `1_000`, `0x1f`, `1.5`, `2e-3`.
  private mutating func takeNumber() throws(InputError) {
    let start = place
    let next = place + 1 < bytes.count ? bytes[place + 1] | 0x20 : 0
    for (letter, radix) in [("x", 16), ("o", 8), ("b", 2)]
    where bytes[place] == UInt8(ascii: "0") && next == letter.utf8.first {
      place += 2
      while place < bytes.count, Self.isWord(bytes[place]) { place += 1 }
      return try appendInteger(bytes[start + 2..<place], radix: radix)
    }
    skipDigits()
    var isFloat = false
    // After a point, digits are an index: `messages.0.1`.
    if start == 0 || bytes[start - 1] != UInt8(ascii: ".") {
      if hasBytes(".", at: place), hasDigit(at: place + 1) {
        isFloat = true
        place += 1
        skipDigits()
      }
      if hasBytes("e", at: place) || hasBytes("E", at: place) {
        let isSigned = hasBytes("+", at: place + 1) || hasBytes("-", at: place + 1)
        if hasDigit(at: place + (isSigned ? 2 : 1)) {
          isFloat = true
          place += isSigned ? 2 : 1
          skipDigits()
        }
      }
    }
    let digits = bytes[start..<place]
    if !isFloat {
      // "007" is no number, but "00" is.
      if digits.first == UInt8(ascii: "0"),
        let other = digits.first(where: { $0 > 0x30 && $0 < 0x40 })
      {
        throw malformed("the digit \(Unicode.Scalar(other)) after a zero", "no zero before it")
      }
      return try appendInteger(digits, radix: 10)
    }
    let text = String(decoding: digits.filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
    guard let value = Double(text) else { throw malformed("the number \(text)", "a number") }
    append(.float(value))
  }

  private mutating func appendInteger(_ text: ArraySlice<UInt8>, radix: Int) throws(InputError) {
    let digits = String(decoding: text.filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
    guard let value = Int128(digits, radix: radix) else {
      throw malformed(
        "the number \(digits.prefix(60))", "a whole number of base \(radix) below 2^127")
    }
    append(.integer(value))
  }

  private func hasDigit(at index: Int) -> Bool {
    index < bytes.count && (0x30...0x39).contains(bytes[index])
  }

  /// Digits with single underscores between them.
  private mutating func skipDigits() {
    while hasDigit(at: place) || (hasBytes("_", at: place) && hasDigit(at: place + 1)) {
      place += 1
    }
  }

  /// A string in either quotation marks, with Python's escapes.
  private mutating func takeString() throws(InputError) {
    let quote = bytes[place]
    let start = place
    var text: [UInt8] = []
    var index = place + 1
    while true {
      guard index < bytes.count else { throw malformed("a string without an end", "its end") }
      let byte = bytes[index]
      index += 1
      if byte == quote { break }
      if byte == UInt8(ascii: "\\") {
        try takeEscape(&index, &text)
      } else {
        text.append(byte)
      }
    }
    append(.string(String(decoding: text, as: UTF8.self)))
    move(to: max(index, start))
  }

  /// What stands after a backslash, at `index`.
  private func takeEscape(_ index: inout Int, _ text: inout [UInt8]) throws(InputError) {
    guard index < bytes.count else { throw malformed("a string without an end", "its end") }
    let byte = bytes[index]
    index += 1
    switch byte {
    case 0x0a: break
    case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): text.append(byte)
    case UInt8(ascii: "a"): text.append(0x07)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "n"): text.append(0x0a)
    case UInt8(ascii: "v"): text.append(0x0b)
    case UInt8(ascii: "f"): text.append(0x0c)
    case UInt8(ascii: "r"): text.append(0x0d)
    case UInt8(ascii: "x"): text += try codePoint(&index, digits: 2)
    case UInt8(ascii: "u"): text += try codePoint(&index, digits: 4)
    case UInt8(ascii: "U"): text += try codePoint(&index, digits: 8)
    case UInt8(ascii: "0")...UInt8(ascii: "7"):
      var value = UInt32(byte - 0x30)
      var count = 1
      while count < 3, index < bytes.count, (0x30...0x37).contains(bytes[index]) {
        value = value * 8 + UInt32(bytes[index] - 0x30)
        index += 1
        count += 1
      }
      // Three octal digits are 511 at most.
      if let scalar = Unicode.Scalar(value) { text += String(scalar).utf8 }
    case UInt8(ascii: "N"), 0x80...:
      throw malformed("an escape by name or of a letter beyond ASCII", "\\u with four digits")
    default: text += [UInt8(ascii: "\\"), byte]
    }
  }

  private func codePoint(_ index: inout Int, digits: Int) throws(InputError) -> String.UTF8View {
    let end = min(index + digits, bytes.count)
    let text = String(decoding: bytes[index..<end], as: UTF8.self)
    guard text.utf8.count == digits, text.utf8.allSatisfy({ $0 != UInt8(ascii: "+") }),
      let value = UInt32(text, radix: 16), let scalar = Unicode.Scalar(value)
    else {
      throw malformed(
        "the escape \(ErrorText.quoted(text))", "\(digits) hexadecimal digits of a character")
    }
    index = end
    return String(scalar).utf8
  }
}
