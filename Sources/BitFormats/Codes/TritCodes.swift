/// Ternary codes as digits to base 3, five in a byte.
///
/// A byte holds v = the digits c0 c1 c2 c3 c4 (code + 1, the first the most significant) as
/// ceil(v * 256 / 243), a fraction of 256, so that multiplying brings the digits to the top:
///
///     digit n = (((byte * 3^n) mod 256) * 3) >> 8
///
/// A block is made of groups of bytes. Element m + bytes * n of a group is digit n of its byte m.
/// TQ1_0 has 32 and 16 bytes of five digits and 4 of four; PTQ1_0 has half of each.
struct TritCodes {
  /// The bytes of the two groups with five digits; one of four digits follows.
  private let fives: (Int, Int)
  private let fours: Int

  static let tq1 = TritCodes(fives: (32, 16), fours: 4)
  static let ptq1 = TritCodes(fives: (16, 8), fours: 2)

  /// Reads the codes of a block.
  func decode(_ bytes: UnsafePointer<UInt8>, to codes: UnsafeMutablePointer<Int8>) {
    Self.decode(bytes, fives.0, digits: 5, to: codes)
    Self.decode(bytes + fives.0, fives.1, digits: 5, to: codes + 5 * fives.0)
    let sum = fives.0 + fives.1
    Self.decode(bytes + sum, fours, digits: 4, to: codes + 5 * sum)
  }

  private static func decode(
    _ bytes: UnsafePointer<UInt8>, _ count: Int, digits: Int, to codes: UnsafeMutablePointer<Int8>
  ) {
    var power: UInt8 = 1
    for n in 0..<digits {
      let target = codes + count * n
      for m in 0..<count {
        let fraction = bytes[m] &* power
        // The digit says whether three times the fraction passes 1 and 2.
        target[m] = (fraction > 85 ? 1 : 0) &+ (fraction > 170 ? 1 : 0) &- 1
      }
      power = power &* 3
    }
  }

  /// Writes the codes of a block.
  func encode(_ codes: UnsafePointer<Int8>, to bytes: UnsafeMutablePointer<UInt8>) {
    Self.encode(codes, fives.0, digits: 5, to: bytes)
    Self.encode(codes + 5 * fives.0, fives.1, digits: 5, to: bytes + fives.0)
    let sum = fives.0 + fives.1
    Self.encode(codes + 5 * sum, fours, digits: 4, to: bytes + sum)
  }

  private static func encode(
    _ codes: UnsafePointer<Int8>, _ count: Int, digits: Int, to bytes: UnsafeMutablePointer<UInt8>
  ) {
    for n in 0..<digits {
      let source = codes + count * n
      for m in 0..<count {
        let digit = UInt8(bitPattern: source[m] &+ 1)
        bytes[m] = n == 0 ? digit : bytes[m] &* 3 &+ digit
      }
    }
    for m in 0..<count {
      // A fifth digit that is not there is 0.
      let value = UInt16(digits == 4 ? bytes[m] &* 3 : bytes[m])
      bytes[m] = UInt8(truncatingIfNeeded: (value &* 256 &+ 242) / 243)
    }
  }
}
