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
  /// The bytes of the groups with five digits; one of four digits follows.
  let fives: [Int]
  let fours: Int

  static let tq1 = TritCodes(fives: [32, 16], fours: 4)
  static let ptq1 = TritCodes(fives: [16, 8], fours: 2)

  /// Reads the codes of a block.
  func decode(_ bytes: UnsafePointer<UInt8>, to codes: UnsafeMutablePointer<Int8>) {
    var (source, target) = (bytes, codes)
    func group(_ count: Int, digits: Int) {
      var power: UInt8 = 1
      for n in 0..<digits {
        for m in 0..<count {
          let fraction = UInt16(source[m] &* power)
          target[count * n + m] = Int8(truncatingIfNeeded: (fraction * 3) >> 8) - 1
        }
        power = power &* 3
      }
      source += count
      target += digits * count
    }
    for count in fives { group(count, digits: 5) }
    group(fours, digits: 4)
  }

  /// Writes the codes of a block.
  func encode(_ codes: UnsafePointer<Int8>, to bytes: UnsafeMutablePointer<UInt8>) {
    var (source, target) = (codes, bytes)
    func group(_ count: Int, digits: Int) {
      for m in 0..<count {
        var value: UInt16 = 0
        for n in 0..<5 {
          // A fifth digit that is not there is 0.
          value = value * 3 + (n < digits ? UInt16(source[count * n + m] + 1) : 0)
        }
        target[m] = UInt8((value * 256 + 242) / 243)
      }
      source += digits * count
      target += count
    }
    for count in fives { group(count, digits: 5) }
    group(fours, digits: 4)
  }
}

/// The ternary codes of IQ1_BN: 64 in 13 bytes.
///
/// Element j of five is the digit of 3^j, so the first is the least significant. Sixteen elements
/// take three bytes and leave one, which byte 12 holds as its digit of 3^i for the i-th sixteen.
///
///     v = (byte * 3^(4 - j)) mod 256,   digit j = (v + (v >> 1)) >> 7
enum IQ1Codes {
  private static let multipliers: [UInt8] = [81, 27, 9, 3, 1]

  /// Reads the codes of a block.
  static func decode(_ bytes: UnsafePointer<UInt8>, to codes: UnsafeMutablePointer<Int8>) {
    func digit(_ byte: UInt8, _ j: Int) -> Int8 {
      let value = UInt16(byte &* multipliers[j])
      return Int8(truncatingIfNeeded: (value + value >> 1) >> 7) - 1
    }
    for group in 0..<4 {
      for element in 0..<15 {
        codes[16 * group + element] = digit(bytes[3 * group + element / 5], element % 5)
      }
      codes[16 * group + 15] = digit(bytes[12], group)
    }
  }
}

/// Codes of one bit, eight in a byte, the first in the lowest: 1 for +1, 0 for -1.
enum SignCodes {
  /// Reads `count` codes, a multiple of 8.
  static func decode(
    _ bytes: UnsafePointer<UInt8>, _ count: Int, to codes: UnsafeMutablePointer<Int8>
  ) {
    for index in 0..<count {
      codes[index] = Int8((bytes[index / 8] >> UInt8(index % 8)) & 1) * 2 - 1
    }
  }

  /// Writes `count` codes, a multiple of 8.
  static func encode(
    _ codes: UnsafePointer<Int8>, _ count: Int, to bytes: UnsafeMutablePointer<UInt8>
  ) {
    for place in 0..<count / 8 {
      var byte: UInt8 = 0
      for bit in 0..<8 where codes[8 * place + bit] > 0 { byte |= 1 << UInt8(bit) }
      bytes[place] = byte
    }
  }
}
