import BitCore

/// The types of numbers that are read as floats: plain ones, and blocks of numbers with a scale.
///
///     Q8_0   half d, 32 signed bytes q                                x = d * q
///     Q4_0   half d, 16 bytes of two codes q of four bits             x = d * (q - 8)
///     Q4_1   half d, half m, 16 bytes of two codes q of four bits     x = d * q + m
///     Q6_K   128 bytes of low 4 bits, 64 of high 2 bits, 16 signed    x = (d * scale) * (q - 32)
///            bytes of scales, half d
package struct GGUFNumberCodec: Sendable {
  /// How the numbers are stored.
  package let weightType: WeightType

  /// The codec of a type; nil for one that is not read as floats.
  package init?(_ type: GGUFTensorType) {
    switch type {
    case .f32: weightType = .float32
    case .f16: weightType = .float16
    case .bf16: weightType = .bfloat16
    case .q8_0: weightType = .q8_0
    case .q4_0: weightType = .q4_0
    case .q4_1: weightType = .q4_1
    case .q6_k: weightType = .q6_k
    default: return nil
    }
  }

  /// Reads `count` numbers, whole blocks.
  func decode(
    _ bytes: UnsafeRawBufferPointer, _ count: Int, to values: UnsafeMutablePointer<Float>
  ) {
    let blocks = count / weightType.blockLength
    precondition(bytes.count >= blocks * weightType.blockBytes, "\(bytes.count) bytes are too few")
    guard let start = bytes.baseAddress else { return }
    weightType.decode(start, count: count, to: values)
  }
}
