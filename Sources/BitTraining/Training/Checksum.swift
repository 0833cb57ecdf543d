import BitCore
import BitNN

internal import CZlib

/// A CRC-32 over pieces of data, to notice damage, not malice.
struct Checksum {
  private var value = crc32(0, nil, 0)

  mutating func add(_ bytes: UnsafeRawBufferPointer) {
    // zlib takes at most 4 GiB at once.
    var rest = bytes[...]
    while !rest.isEmpty {
      let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
      value = crc32(
        value, piece.baseAddress?.assumingMemoryBound(to: Bytef.self), uInt(piece.count))
      rest = rest.dropFirst(piece.count)
    }
  }

  mutating func add(_ text: String) {
    var text = text
    text.withUTF8 { add(UnsafeRawBufferPointer($0)) }
  }

  /// The checksum as eight hexadecimal digits.
  var text: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: max(0, 8 - digits.count)) + digits
  }
}
