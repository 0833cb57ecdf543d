/// The types of numbers that are read as floats: plain ones, and blocks of numbers with a scale.
///
///     Q8_0   half d, 32 signed bytes q                                x = d * q
///     Q6_K   128 bytes of low 4 bits, 64 of high 2 bits, 16 signed    x = (d * scale) * (q - 32)
///            bytes of scales, half d
package enum GGUFNumberCodec {
  case plain(PlainNumbers)
  case q8_0
  case q6_k

  /// The codec of a type; nil for one that is not read as floats.
  package init?(_ type: GGUFTensorType) {
    switch type {
    case .f32: self = .plain(.f32)
    case .f16: self = .plain(.f16)
    case .bf16: self = .plain(.bf16)
    case .q8_0: self = .q8_0
    case .q6_k: self = .q6_k
    default: return nil
    }
  }

  /// Reads `count` numbers, whole blocks.
  func decode(
    _ bytes: UnsafeRawBufferPointer, _ count: Int, to values: UnsafeMutablePointer<Float>
  ) {
    switch self {
    case .plain(let numbers): numbers.floats(bytes, to: values)
    case .q8_0:
      for block in 0..<count / 32 {
        let start = 34 * block
        let scale = PlainNumbers.half(bytes, at: start)
        for index in 0..<32 {
          values[32 * block + index] = scale * Float(Int8(bitPattern: bytes[start + 2 + index]))
        }
      }
    case .q6_k:
      for block in 0..<count / 256 { decodeQ6K(bytes, at: 210 * block, to: values + 256 * block) }
    }
  }

  /// Of each half of the block, quarter k has its low bits in nibbles, which two quarters share, and
  /// its high bits in bits 2k and 2k + 1 of a byte, which all four share.
  private func decodeQ6K(
    _ bytes: UnsafeRawBufferPointer, at place: Int, to values: UnsafeMutablePointer<Float>
  ) {
    let scale = PlainNumbers.half(bytes, at: place + 208)
    for half in 0..<2 {
      let (low, high, scales) = (place + 64 * half, place + 128 + 32 * half, place + 192 + 8 * half)
      for quarter in 0..<4 {
        for index in 0..<32 {
          let nibble = bytes[low + 32 * (quarter % 2) + index] >> (quarter < 2 ? 0 : 4) & 15
          let top = bytes[high + index] >> UInt8(2 * quarter) & 3
          let own = Int8(bitPattern: bytes[scales + 2 * quarter + index / 16])
          values[128 * half + 32 * quarter + index] =
            (scale * Float(own)) * Float(Int(nibble | top << 4) - 32)
        }
      }
    }
  }
}
