/// The exponential and the logarithm in Double, with the same bits on every platform.
///
/// The functions of the C library differ between platforms in the last bit, which now and then
/// draws another token. These are made of additions, multiplications and divisions alone, each of
/// which IEEE 754 rounds in one way; the compiler fuses none of them. (A fused multiply-add is as
/// well defined, but a call of the C library on CPUs that may lack it.)
package enum PortableMath {
  // ln 2 in two parts. The upper part ends in 21 zero bits, so that its product with an exponent
  // is exact.
  private static let upperLog2 = 0x1.62e42feep-1
  private static let lowerLog2 = 0x1.a39ef35793c76p-33

  /// e^x for x <= 0, within one unit in the last place; 0 below -708, where the result would be
  /// close to the smallest normal number.
  ///
  /// x = k ln 2 + r with an integer k and |r| <= ln 2 / 2; e^r by its Taylor polynomial of degree
  /// 13, whose remainder is below 2^-57.
  package static func exp(_ x: Double) -> Double {
    precondition(x <= 0, "exp of \(x), which is above 0")
    guard x >= -708 else { return 0 }
    // Adding 1.5 * 2^52 leaves no bits for a fraction: it rounds to the nearest integer.
    let shifted = x * 0x1.71547652b82fep0 + 0x1.8p52
    let k = shifted - 0x1.8p52
    let upper = x - k * upperLog2
    let lower = k * lowerLog2
    let r = upper - lower
    let lost = (upper - r) - lower
    var p = 1.0 / 6_227_020_800
    p = p * r + 1.0 / 479_001_600
    p = p * r + 1.0 / 39_916_800
    p = p * r + 1.0 / 3_628_800
    p = p * r + 1.0 / 362_880
    p = p * r + 1.0 / 40_320
    p = p * r + 1.0 / 5_040
    p = p * r + 1.0 / 720
    p = p * r + 1.0 / 120
    p = p * r + 1.0 / 24
    p = p * r + 1.0 / 6
    p = p * r + 0.5
    let value = 1 + (r + (r * r * p + lost))
    // The product with 2^k is exact: k >= -1021, and value >= 0.7.
    return value * Double(bitPattern: UInt64(bitPattern: Int64(k) + 1023) << 52)
  }

  /// The natural logarithm of a normal number above 0, within two units in the last place.
  ///
  /// x = 2^k (1 + f) with 1 + f between the root of 1/2 and that of 2, and with s = f / (2 + f):
  /// ln(1 + f) = 2 artanh(s) = 2 (s + s^3 / 3 + s^5 / 5 + ...), where 2 s = f - s f.
  package static func log(_ x: Double) -> Double {
    precondition(x.isNormal && x > 0, "log of \(x), which is no normal number above 0")
    var k = Double(x.exponent)
    var m = x.significand
    if m > 0x1.6a09e667f3bcdp0 {
      m *= 0.5
      k += 1
    }
    let f = m - 1
    let s = f / (2 + f)
    let z = s * s
    var p = 2.0 / 21
    for divisor in stride(from: 19.0, through: 3, by: -2) { p = p * z + 2 / divisor }
    return k * upperLog2 + (f - (s * (f - z * p) - k * lowerLog2))
  }
}
