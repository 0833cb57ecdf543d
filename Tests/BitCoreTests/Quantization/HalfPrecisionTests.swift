import BitCore
import Testing

@Suite struct HalfPrecisionTests {
  @Test(
    arguments: [
      (0x0000, 0), (0x3c00, 1), (0xc000, -2), (0x7bff, 65504), (0x0001, 0x1p-24),
      (0x03ff, 1023 * 0x1p-24), (0x0400, 0x1p-14), (0x7c00, .infinity), (0xfc00, -.infinity),
      (0x3555, 0.33325195),
    ] as [(UInt16, Float)])
  func knownHalves(bits: UInt16, value: Float) {
    #expect(HalfPrecision.float(f16: bits) == value)
    #expect(HalfPrecision.f16(value) == bits)
  }

  @Test func everyHalfComesBack() {
    for bits in UInt16.min ... .max {
      let value = HalfPrecision.float(f16: bits)
      if bits & 0x7fff > 0x7c00 {
        #expect(value.isNaN && HalfPrecision.f16(value) & 0x7e00 == 0x7e00)
      } else if HalfPrecision.f16(value) != bits {
        Issue.record("\(bits) came back as \(HalfPrecision.f16(value))")
      }
      let brain = HalfPrecision.float(bf16: bits)
      if brain.isNaN {
        #expect(HalfPrecision.float(bf16: HalfPrecision.bf16(brain)).isNaN)
      } else if HalfPrecision.bf16(brain) != bits {
        Issue.record("\(bits) came back as \(HalfPrecision.bf16(brain))")
      }
    }
  }

  /// The middle of two neighbours is rounded to the even one, a bit more or less to the nearer one.
  @Test func roundsHalfToEven() {
    for bits in UInt16(0)..<0x7bff {
      let low = HalfPrecision.float(f16: bits)
      let middle = (low + HalfPrecision.float(f16: bits + 1)) / 2
      let even = bits.isMultiple(of: 2) ? bits : bits + 1
      let results = [middle.nextDown, middle, middle.nextUp, -middle].map(HalfPrecision.f16)
      if results != [bits, even, bits + 1, even | 0x8000] {
        Issue.record("between \(bits) and the next: \(results)")
      }
    }
    for bits in UInt16(0)..<0x7f7f {
      let middle = Float(bitPattern: UInt32(bits) << 16 | 0x8000)
      let even = bits.isMultiple(of: 2) ? bits : bits + 1
      let results = [middle.nextDown, middle, middle.nextUp, -middle].map(HalfPrecision.bf16)
      if results != [bits, even, bits + 1, even | 0x8000] {
        Issue.record("between \(bits) and the next: \(results)")
      }
    }
  }

  @Test func whatIsTooLargeIsInfinite() {
    #expect(HalfPrecision.f16(Float(65520).nextDown) == 0x7bff)
    #expect(HalfPrecision.f16(65520) == 0x7c00)
    #expect(HalfPrecision.f16(-1e10) == 0xfc00)
    #expect(HalfPrecision.f16(.leastNonzeroMagnitude) == 0)
    #expect(HalfPrecision.bf16(.greatestFiniteMagnitude) == 0x7f80)
  }

  #if !(os(macOS) && arch(x86_64))
    @Test func agreesWithTheCompilersType() {
      var generator = SeededGenerator(seed: 3)
      for _ in 0..<20_000 {
        let value = Float(bitPattern: UInt32(truncatingIfNeeded: generator.next()))
        if value.isNaN { continue }
        if HalfPrecision.f16(value) != Float16(value).bitPattern {
          Issue.record("\(value): \(HalfPrecision.f16(value))")
        }
      }
      for bits in UInt16.min ... .max where bits & 0x7fff <= 0x7c00 {
        if HalfPrecision.float(f16: bits) != Float(Float16(bitPattern: bits)) {
          Issue.record("\(bits): \(HalfPrecision.float(f16: bits))")
        }
      }
    }
  #endif
}
