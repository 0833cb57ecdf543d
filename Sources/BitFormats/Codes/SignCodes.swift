/// Codes of one bit, eight in a byte, the first in the lowest: 1 for +1, 0 for -1.
enum SignCodes {
  /// Eight codes as the bytes of a word, for each byte.
  private static let words: [UInt64] = (0..<256).map { byte in
    (0..<8).reduce(0) { word, bit in
      let code: Int8 = byte >> bit & 1 == 1 ? 1 : -1
      return word | UInt64(UInt8(bitPattern: code)) << UInt64(8 * bit)
    }
  }

  /// Reads `count` codes, a multiple of 8.
  static func decode(
    _ bytes: UnsafePointer<UInt8>, _ count: Int, to codes: UnsafeMutablePointer<Int8>
  ) {
    let target = UnsafeMutableRawPointer(codes)
    words.withUnsafeBufferPointer { words in
      for place in 0..<count / 8 {
        target.storeBytes(
          of: words[Int(bytes[place])].littleEndian, toByteOffset: 8 * place, as: UInt64.self)
      }
    }
  }

  /// Writes `count` codes, a multiple of 8.
  static func encode(
    _ codes: UnsafePointer<Int8>, _ count: Int, to bytes: UnsafeMutablePointer<UInt8>
  ) {
    let source = UnsafeRawPointer(codes)
    for place in 0..<count / 8 {
      let word = UInt64(
        littleEndian: source.loadUnaligned(fromByteOffset: 8 * place, as: UInt64.self))
      // The top bit of a byte is set in -1. The product brings bit 8i to bit 56 + i.
      let positive = (~word & 0x8080_8080_8080_8080) &>> 7
      bytes[place] = UInt8((positive &* 0x0102_0408_1020_4080) &>> 56)
    }
  }
}
