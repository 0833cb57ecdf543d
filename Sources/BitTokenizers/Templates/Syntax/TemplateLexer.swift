import BitCore
import BitFiles

/// Cuts a template's source into tokens, with the treatment of white space that Hugging Face sets:
/// a line break after a block or comment is dropped (`trim_blocks`), and so is white space before
/// one that begins its line (`lstrip_blocks`); a minus sign in a tag drops all white space on its
/// side, a plus sign keeps it.
struct TemplateLexer {
  let source: String
  let bytes: [UInt8]
  var place = 0
  var line = 1
  private(set) var tokens: [TemplateToken] = []

  /// - Parameter source: The name of the template for errors.
  init(_ template: String, source: String) {
    self.source = source
    bytes = Self.withLineFeeds(template)
  }

  /// The bytes with "\n" for each line break, and without the last one.
  private static func withLineFeeds(_ template: String) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(template.utf8.count)
    var afterReturn = false
    for byte in template.utf8 {
      if byte == 0x0d {
        bytes.append(0x0a)
      } else if byte != 0x0a || !afterReturn {
        bytes.append(byte)
      }
      afterReturn = byte == 0x0d
    }
    if bytes.last == 0x0a { bytes.removeLast() }
    return bytes
  }

  /// All tokens, with ``TemplateToken/Kind/end`` at the end.
  static func tokens(of template: String, source: String) throws(InputError) -> [TemplateToken] {
    var lexer = TemplateLexer(template, source: source)
    while lexer.place < lexer.bytes.count { try lexer.takeTextAndTag() }
    lexer.append(.end)
    return lexer.tokens
  }

  /// Text up to the next tag, and the tag.
  private mutating func takeTextAndTag() throws(InputError) {
    let start = place
    let startsLine = start == 0 || bytes[start - 1] == 0x0a
    guard let tag = nextTag() else {
      appendText(start..<bytes.count)
      move(to: bytes.count)
      return
    }
    let kind = bytes[tag + 1]
    let sign = tag + 2 < bytes.count ? bytes[tag + 2] : 0
    let isSigned = sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+")
    let text = start..<tag
    appendText(text, before: sign, isBlock: kind != UInt8(ascii: "{"), startsLine: startsLine)
    move(to: tag + (isSigned ? 3 : 2))
    switch kind {
    case UInt8(ascii: "#"): try skipComment()
    case UInt8(ascii: "{"):
      append(.printBegin)
      try takeTokens(isBlock: false)
    default:
      if try takeRaw() { return }
      append(.blockBegin)
      try takeTokens(isBlock: true)
    }
  }

  /// The place of the next `{{`, `{%` or `{#`.
  private func nextTag() -> Int? {
    var index = place
    while index + 1 < bytes.count {
      if bytes[index] == UInt8(ascii: "{") {
        switch bytes[index + 1] {
        case UInt8(ascii: "{"), UInt8(ascii: "%"), UInt8(ascii: "#"): return index
        default: break
        }
      }
      index += 1
    }
    return nil
  }

  private mutating func appendText(_ range: Range<Int>) {
    if range.isEmpty { return }
    append(.text(String(decoding: bytes[range], as: UTF8.self)))
  }

  /// Appends text without the white space that the tag after it takes away.
  private mutating func appendText(
    _ range: Range<Int>, before sign: UInt8, isBlock: Bool, startsLine: Bool
  ) {
    var end = range.upperBound
    if sign == UInt8(ascii: "-") {
      while let length = spaceLength(before: end, from: range.lowerBound) { end -= length }
    } else if isBlock && sign != UInt8(ascii: "+") {
      while end > range.lowerBound, bytes[end - 1] != 0x0a,
        let length = spaceLength(before: end, from: range.lowerBound)
      {
        end -= length
      }
      let isAtLineStart =
        end == range.lowerBound ? startsLine : bytes[end - 1] == 0x0a
      if !isAtLineStart { end = range.upperBound }
    }
    appendText(range.lowerBound..<end)
  }

  private mutating func skipComment() throws(InputError) {
    let start = place
    var end = start
    while !hasBytes("#}", at: end) {
      if end >= bytes.count { throw malformed("a comment without an end", "\"#}\"") }
      end += 1
    }
    let sign = end > start ? bytes[end - 1] : 0
    move(to: end + 2)
    endBlock(sign)
  }

  /// White space after the end of a block or comment: all after a minus sign, otherwise one line
  /// break.
  private mutating func endBlock(_ sign: UInt8) {
    if sign == UInt8(ascii: "-") {
      skipSpace()
    } else if sign != UInt8(ascii: "+"), place < bytes.count, bytes[place] == 0x0a {
      move(to: place + 1)
    }
  }

  /// If the block is `raw`, takes it with its text, up to the end of its `endraw`.
  private mutating func takeRaw() throws(InputError) -> Bool {
    guard let begin = wordTag("raw", at: place), begin.sign != UInt8(ascii: "+") else {
      return false
    }
    move(to: begin.end)
    if begin.sign == UInt8(ascii: "-") { skipSpace() }
    let start = place
    let startsLine = start > 0 && bytes[start - 1] == 0x0a
    var index = start
    while index < bytes.count {
      if hasBytes("{%", at: index) {
        var inner = index + 2
        let sign = inner < bytes.count ? bytes[inner] : 0
        if sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { inner += 1 }
        if let end = wordTag("endraw", at: inner) {
          appendText(start..<index, before: sign, isBlock: true, startsLine: startsLine)
          move(to: end.end)
          endBlock(end.sign)
          return true
        }
      }
      index += 1
    }
    throw malformed("\"raw\" without an end", "\"endraw\"")
  }

  /// The end of a tag that holds nothing but a word, and the sign at its end.
  private func wordTag(_ word: StaticString, at start: Int) -> (end: Int, sign: UInt8)? {
    var index = start
    while index < bytes.count, let length = spaceLength(at: index) { index += length }
    guard hasBytes(word, at: index) else { return nil }
    index += word.utf8CodeUnitCount
    while index < bytes.count, let length = spaceLength(at: index) { index += length }
    var sign: UInt8 = 0
    if index < bytes.count, bytes[index] == UInt8(ascii: "-") || bytes[index] == UInt8(ascii: "+") {
      sign = bytes[index]
      index += 1
    }
    return hasBytes("%}", at: index) ? (index + 2, sign) : nil
  }

  /// Ends a block's tag: the sign and white space after it.
  mutating func takeBlockEnd() -> Bool {
    let sign = place < bytes.count ? bytes[place] : 0
    let isSigned = sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+")
    guard hasBytes("%}", at: place + (isSigned ? 1 : 0)) else { return false }
    append(.blockEnd)
    move(to: place + (isSigned ? 3 : 2))
    endBlock(sign)
    return true
  }

  /// Ends the tag of an expression.
  mutating func takePrintEnd() -> Bool {
    let isSigned = hasBytes("-}}", at: place)
    guard isSigned || hasBytes("}}", at: place) else { return false }
    append(.printEnd)
    move(to: place + (isSigned ? 3 : 2))
    if isSigned { skipSpace() }
    return true
  }
}

extension TemplateLexer {
  mutating func append(_ kind: TemplateToken.Kind) {
    tokens.append(TemplateToken(kind: kind, line: line))
  }

  /// Goes on to a place, counting lines.
  mutating func move(to end: Int) {
    for index in place..<end where bytes[index] == 0x0a { line += 1 }
    place = end
  }

  mutating func skipSpace() {
    while place < bytes.count, let length = spaceLength(at: place) { move(to: place + length) }
  }

  func hasBytes(_ text: StaticString, at start: Int) -> Bool {
    text.withUTF8Buffer { text in
      start + text.count <= bytes.count && bytes[start..<start + text.count].elementsEqual(text)
    }
  }

  /// The length of the white space character at a place; nil if there is none.
  func spaceLength(at start: Int) -> Int? {
    let byte = bytes[start]
    if byte < 0x80 { return TemplateText.isSpace(Unicode.Scalar(byte)) ? 1 : nil }
    // No white space takes more than three bytes. The source is UTF-8.
    for length in 2...3 where start + length <= bytes.count {
      let text = String(decoding: bytes[start..<start + length], as: UTF8.self)
      let scalars = text.unicodeScalars
      if let scalar = scalars.first, scalars.count == 1, TemplateText.isSpace(scalar) {
        return length
      }
    }
    return nil
  }

  /// The length of the white space character that ends before a place and begins at or after
  /// another; nil if there is none.
  private func spaceLength(before end: Int, from start: Int) -> Int? {
    for length in 1...3 where end - length >= start {
      if spaceLength(at: end - length) == length { return length }
    }
    return nil
  }

  func malformed(_ found: String, _ expected: String) -> InputError {
    InputError(.malformed, source: "\(source), line \(line)", found: found, expected: expected)
  }
}
