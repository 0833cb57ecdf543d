import BitFiles

/// The bytes of a token in one line.
enum PieceText {
  /// The bytes as text, with control characters, quotes, backslashes and what is no UTF-8 escaped.
  static func escaped(_ bytes: [UInt8]) -> String {
    var text = ""
    var rest = bytes[...]
    while let first = rest.first {
      let length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
      let scalar = String(validating: rest.prefix(length), as: UTF8.self)?.unicodeScalars.first
      guard let scalar else {
        text += "\\x" + ErrorText.hex([first]).uppercased()
        rest.removeFirst()
        continue
      }
      text += escaped(scalar)
      rest = rest.dropFirst(UTF8.width(scalar))
    }
    return text
  }

  private static func escaped(_ scalar: Unicode.Scalar) -> String {
    switch scalar {
    case "\n": return "\\n"
    case "\r": return "\\r"
    case "\t": return "\\t"
    case "\\": return "\\\\"
    case "'": return "\\'"
    default:
      let isHidden = [.control, .format, .lineSeparator, .paragraphSeparator].contains(
        scalar.properties.generalCategory)
      return isHidden ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
    }
  }
}
