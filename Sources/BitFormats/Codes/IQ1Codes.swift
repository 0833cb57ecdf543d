/// The ternary codes of IQ1_BN: 64 in 13 bytes.
///
/// Element j of five is the digit of 3^j, so the first is the least significant. Sixteen elements
/// take three bytes and leave one, which byte 12 holds as its digit of 3^i for the i-th sixteen.
///
///     v = (byte * 3^(4 - j)) mod 256,   digit j = (v + (v >> 1)) >> 7
enum IQ1Codes {
  /// The five codes of each byte.
  private static let digits: [[Int8]] = (0..<256).map { byte in
    [81, 27, 9, 3, 1].map { power in
      let value = byte * power % 256
      return Int8((value + value >> 1) >> 7) - 1
    }
  }

  /// Reads the codes of a block.
  static func decode(_ bytes: UnsafePointer<UInt8>, to codes: UnsafeMutablePointer<Int8>) {
    digits.withUnsafeBufferPointer { digits in
      let last = digits[Int(bytes[12])]
      for group in 0..<4 {
        for part in 0..<3 {
          let five = digits[Int(bytes[3 * group + part])]
          for j in 0..<5 { codes[16 * group + 5 * part + j] = five[j] }
        }
        codes[16 * group + 15] = last[group]
      }
    }
  }
}
