extension JSONValue {
  /// The value as JSON without white space.
  ///
  /// Strings are written as they are but for quotation marks, backslashes and control characters.
  /// Doubles have the fewest digits that give the same double again, and always a point or an
  /// exponent, so that they stay numbers. NaN and infinities become null.
  package var encoded: String {
    var text: [UInt8] = []
    encode(to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  /// The value as JSON with an element to a line, as Python writes it with `indent=2`; ends
  /// without a line break.
  package var indented: String {
    var text: [UInt8] = []
    encode(to: &text, depth: 0)
    return String(decoding: text, as: UTF8.self)
  }

  /// Appends the value as JSON in UTF-8, as ``encoded`` has it.
  package func encode(to text: inout [UInt8]) { encode(to: &text, depth: nil) }

  /// Appends the value, in lines if it has a depth.
  private func encode(to text: inout [UInt8], depth: Int?) {
    switch self {
    case .null: text += "null".utf8
    case .bool(let value): text += (value ? "true" : "false").utf8
    case .integer(let value): text += value.description.utf8
    case .number(let value): text += (value.isFinite ? value.description : "null").utf8
    case .string(let value): Self.encode(value, to: &text)
    case .array(let elements):
      Self.encode(elements, between: "[", "]", to: &text, depth: depth) { element, text, depth in
        element.encode(to: &text, depth: depth)
      }
    case .object(let members):
      Self.encode(members, between: "{", "}", to: &text, depth: depth) { member, text, depth in
        Self.encode(member.key, to: &text)
        text += (depth == nil ? ":" : ": ").utf8
        member.value.encode(to: &text, depth: depth)
      }
    }
  }

  private static func encode<Parts: Collection>(
    _ parts: Parts, between open: Unicode.Scalar, _ close: Unicode.Scalar, to text: inout [UInt8],
    depth: Int?, _ encode: (Parts.Element, inout [UInt8], Int?) -> Void
  ) {
    func breakLine(_ depth: Int?) {
      guard let depth, !parts.isEmpty else { return }
      text.append(0x0a)
      text.append(contentsOf: repeatElement(0x20, count: 2 * depth))
    }
    let inner = depth.map { $0 + 1 }
    text.append(UInt8(ascii: open))
    for (place, part) in parts.enumerated() {
      if place > 0 { text.append(UInt8(ascii: ",")) }
      breakLine(inner)
      encode(part, &text, inner)
    }
    breakLine(depth)
    text.append(UInt8(ascii: close))
  }

  private static func encode(_ string: String, to text: inout [UInt8]) {
    text.append(UInt8(ascii: "\""))
    for byte in string.utf8 {
      switch byte {
      case UInt8(ascii: "\""): text += #"\""#.utf8
      case UInt8(ascii: "\\"): text += #"\\"#.utf8
      case 0x08: text += #"\b"#.utf8
      case 0x09: text += #"\t"#.utf8
      case 0x0a: text += #"\n"#.utf8
      case 0x0c: text += #"\f"#.utf8
      case 0x0d: text += #"\r"#.utf8
      case 0..<0x20: text += "\\u00\(ErrorText.hex([byte]))".utf8
      default: text.append(byte)
      }
    }
    text.append(UInt8(ascii: "\""))
  }
}
