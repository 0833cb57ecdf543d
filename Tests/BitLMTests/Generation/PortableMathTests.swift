import BitCore
import BitLM
import Foundation
import Testing

@Suite("Exponential and logarithm with the same bits everywhere")
struct PortableMathTests {
  @Test("The exponential is within one unit in the last place of the C library's")
  func exponential() {
    var generator = SeededGenerator(seed: 1)
    for round in 0..<200_000 {
      let range = [1e-3, 1.0, 40, 708][round % 4]
      let x = -Double(generator.next() >> 11) * 0x1p-53 * range
      let expected = Foundation.exp(x)
      #expect(
        abs(PortableMath.exp(x) - expected) <= expected.ulp, "exp(\(x)) differs from \(expected)")
    }
  }

  @Test("The exponential of 0 is 1, and that of very small numbers 0")
  func ends() {
    #expect(PortableMath.exp(0) == 1)
    #expect(PortableMath.exp(-708.5) == 0)
    #expect(PortableMath.exp(-.infinity) == 0)
    #expect(PortableMath.exp(-708) > Double.leastNormalMagnitude)
  }

  @Test("The logarithm is within two units in the last place of the C library's")
  func logarithm() {
    var generator = SeededGenerator(seed: 2)
    for round in 0..<100_000 {
      var x = Double(generator.next() >> 11) * 0x1p-53
      // Close to 1, where little is left of a logarithm; and far from it.
      if round % 3 == 0 { x = 1 + (x - 0.5) * 0x1p-9 }
      if round % 3 == 1 { x = Foundation.exp((x - 0.5) * 1400) }
      guard x > 0 else { continue }
      let expected = Foundation.log(x)
      #expect(
        abs(PortableMath.log(x) - expected) <= 2 * abs(expected).ulp,
        "log(\(x)) differs from \(expected)")
    }
    #expect(PortableMath.log(1) == 0)
  }

  @Test(
    "Some values have the bits of the correctly rounded exponential",
    arguments: [
      (-1.0, 0x3fd7_8b56_362c_ef38), (-0.5, 0x3fe3_68b2_fc6f_960a),
      (-20.0, 0x3e21_b486_55f3_7267), (-300.25, 0x24dc_7582_3310_2ace),
    ] as [(Double, UInt64)])
  func bits(x: Double, expected: UInt64) {
    let bits = PortableMath.exp(x).bitPattern
    #expect(bits == expected, "\(String(bits, radix: 16))")
  }
}
