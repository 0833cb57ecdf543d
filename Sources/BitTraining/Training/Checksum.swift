import BitCore
import BitFiles
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

  mutating func add(_ tensor: Tensor) {
    tensor.withUnsafePointer {
      add(UnsafeRawBufferPointer(UnsafeBufferPointer(start: $0, count: tensor.count)))
    }
  }

  mutating func add(_ text: String) {
    var text = text
    text.withUTF8 { add(UnsafeRawBufferPointer($0)) }
  }

  /// The checksum as eight hexadecimal digits.
  var text: String { withUnsafeBytes(of: value.bigEndian) { ErrorText.hex($0) } }
}

extension LabeledDataset {
  /// A checksum over values and labels; for text files, over the numbers read.
  var checksum: String {
    var checksum = Checksum()
    switch samples {
    case .bytes(let values): values.withUnsafeBytes { checksum.add($0) }
    case .floats(let values): values.withUnsafeBytes { checksum.add($0) }
    }
    labels.withUnsafeBytes { checksum.add($0) }
    return checksum.text
  }
}
