import BitFormats
import Testing

@Suite struct RotaryEmbeddingTests {
  /// From transformers, for the golden model qwen3-t128-tied: theta 1e6, 64 elements, YaRN 4 x 64.
  private static let yarn: [Float] = [
    1.0, 0.5682089328765869, 0.3162723779678345, 0.17115123569965363, 0.08891396969556808,
    0.04330432787537575, 0.018747353926301003, 0.012174188159406185, 0.007905694656074047,
    0.00513381278142333, 0.0033338037319481373, 0.0021649107802659273, 0.0014058533124625683,
    0.0009129353566095233, 0.0005928434547968209, 0.00038498162757605314, 0.0002500000118743628,
    0.00016234541544690728, 0.00010542412201175466, 6.846048927400261e-05, 4.4456985051510856e-05,
    2.8869548259535804e-05, 1.8747356079984456e-05, 1.2174188668723218e-05, 7.905693564680405e-06,
    5.133812464919174e-06, 3.3338035336782923e-06, 2.1649109385180054e-06, 1.405853367941745e-06,
    9.129353202297352e-07, 5.928434347879374e-07, 3.8498163235090033e-07,
  ]

  @Test func `YaRN as transformers computes it`() {
    let scaling = RotaryScaling.yarn(RotaryScaling.YaRN(factor: 4, originalContext: 64))
    let rotary = RotaryEmbedding(theta: 1e6, length: 64, scaling: scaling)
    #expect(rotary.attentionFactor == 1.1386294)
    let found = rotary.inverseFrequencies
    #expect(found.count == Self.yarn.count)
    for (a, b) in zip(found, Self.yarn) { #expect(abs(a - b) <= 2 * b.ulp) }
    let tables = rotary.tables(positions: 0..<2)
    #expect(tables.cosines[0] == 1.1386294 && tables.sines[0] == 0)
    #expect(abs(tables.cosines[32] - 0.5403023 * 1.1386294) < 1e-6)
  }

  @Test func `An attention factor of its own replaces the default`() {
    let yarn = RotaryScaling.YaRN(factor: 4, originalContext: 64, attentionFactor: 1)
    let rotary = RotaryEmbedding(theta: 1e6, length: 64, scaling: .yarn(yarn))
    #expect(rotary.tables(positions: 0..<1).cosines.allSatisfy { $0 == 1 })
    #expect(RotaryScaling.YaRN.defaultAttentionFactor(1) == 1)
  }

  @Test func `A linear factor divides the frequencies`() {
    let plain = RotaryEmbedding(theta: 10_000, length: 8)
    let linear = RotaryEmbedding(theta: 10_000, length: 8, scaling: .linear(factor: 2))
    #expect(plain.inverseFrequencies == [1, 0.1, 0.01, 0.001])
    #expect(linear.inverseFrequencies == [0.5, 0.05, 0.005, 0.0005])
    #expect(linear.tables(positions: 6..<7).sines == plain.tables(positions: 3..<4).sines)
  }

  @Test func `Angles are rounded to float32 before their cosine is taken`() {
    let rotary = RotaryEmbedding(theta: 10_000, length: 4)
    let tables = rotary.tables(positions: 100_003..<100_004)
    let angle = Float(100_003) * Float(0.01)
    #expect(abs(Double(angle) - 1000.03) > 1e-5)
    #expect(tables.cosines.count == 2)
    #expect(abs(tables.sines[1] - 0.84335926) < 1e-6)
  }
}
