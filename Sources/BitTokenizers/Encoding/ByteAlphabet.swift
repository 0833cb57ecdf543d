/// GPT-2's stand-ins for bytes: a printable character for each, so that a vocabulary of bytes can be
/// kept as text. Printable Latin-1 stands for itself, the other 68 bytes follow from U+0100 on.
enum ByteAlphabet {
  /// The character of each byte.
  static let scalars: [Unicode.Scalar] = {
    var next: UInt32 = 0x100
    return (UInt8.min...UInt8.max).map { byte in
      switch byte {
      case 0x21...0x7e, 0xa1...0xac, 0xae...0xff: return Unicode.Scalar(byte)
      default:
        defer { next += 1 }
        return Unicode.Scalar(next) ?? "\u{fffd}"
      }
    }
  }()

  /// The bytes in the order of their characters, in which GPT-2's vocabulary begins with them.
  static let order = (UInt8.min...UInt8.max).sorted { scalars[Int($0)] < scalars[Int($1)] }

  /// The byte of each character below U+0200, or -1.
  static let bytes: [Int16] = {
    var bytes = [Int16](repeating: -1, count: 0x200)
    for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar.value)] = Int16(byte) }
    return bytes
  }()

  /// Appends the bytes that UTF-8 text stands for; or appends nothing and returns false, if it has a
  /// character that stands for none.
  static func decode(_ text: UnsafeRawBufferPointer, to result: inout [UInt8]) -> Bool {
    let start = result.count
    let isDecoded = bytes.withUnsafeBufferPointer { table -> Bool in
      var place = 0
      while place < text.count {
        let byte = text[place]
        var value = Int(byte)
        if byte >= 0x80 {
          // All characters in question have two bytes.
          guard byte & 0xe0 == 0xc0, place + 1 < text.count else { return false }
          value = Int(byte & 0x1f) << 6 | Int(text[place + 1] & 0x3f)
          place += 1
        }
        guard value < table.count, table[value] >= 0 else { return false }
        result.append(UInt8(truncatingIfNeeded: table[value]))
        place += 1
      }
      return true
    }
    if !isDecoded { result.removeLast(result.count - start) }
    return isDecoded
  }
}
