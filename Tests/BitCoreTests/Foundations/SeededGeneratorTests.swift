import BitCore
import Testing

/// The expected numbers come from an implementation of SplitMix64 and xoshiro256** in Python.
@Suite struct SeededGeneratorTests {
  @Test(
    arguments: [
      (
        0,
        [
          0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f,
          0xf88b_b8a8_724c_81ec,
        ],
        [
          0x99ec_5f36_cb75_f2b4, 0xbf6e_1f78_4956_452a, 0x1a5f_849d_4933_e6e0,
          0x6aa5_94f1_262d_2d2c, 0xbba5_ad4a_1f84_2e59,
        ], 0x7aac_8c48_3a2e_dd2f
      ),
      (
        42,
        [
          0xbdd7_3226_2feb_6e95, 0x28ef_e333_b266_f103, 0x4752_6757_130f_9f52,
          0x581c_e1ff_0e4a_e394,
        ],
        [
          0x1578_0b2e_0c2e_c716, 0x6104_d986_6d11_3a7e, 0xae17_5332_39e4_99a1,
          0xecb8_ad47_03b3_60a1, 0xfde6_dc7f_e2ec_5e64,
        ], 0x8de5_848c_61ab_8968
      ),
    ] as [(UInt64, [UInt64], [UInt64], UInt64)])
  func `fixed numbers for a seed`(
    seed: UInt64, state: [UInt64], first: [UInt64], thousandth: UInt64
  ) {
    var generator = SeededGenerator(seed: seed)
    #expect(generator.state == state)
    let numbers = (0..<1000).map { _ in generator.next() }
    #expect(Array(numbers.prefix(5)) == first)
    #expect(numbers[999] == thousandth)
  }

  @Test func `fixed uniform numbers and permutations`() {
    var generator = SeededGenerator(seed: 42)
    #expect(
      (0..<4).map { _ in generator.nextUniform() } == [
        0.08386296033859253, 0.37898021936416626, 0.6800433993339539, 0.9246929287910461,
      ])
    var zero = SeededGenerator(seed: 0)
    #expect(zero.permutation(10) == [7, 8, 3, 1, 5, 4, 2, 0, 9, 6])
    var fortyTwo = SeededGenerator(seed: 42)
    #expect(fortyTwo.permutation(10) == [9, 1, 4, 2, 8, 7, 6, 5, 3, 0])
  }

  @Test(arguments: [0, 1, 2, 3, 100, 1000])
  func `a permutation holds every number once`(count: Int) {
    var generator = SeededGenerator(seed: 5)
    let permutation = generator.permutation(count)
    #expect(permutation.sorted() == Array(0..<count))
    if count >= 100 {
      var other = SeededGenerator(seed: 6)
      #expect(other.permutation(count) != permutation)
      #expect(generator.permutation(count) != permutation)
      var same = SeededGenerator(seed: 5)
      #expect(same.permutation(count) == permutation)
    }
  }

  @Test func `streams of a seed are apart`() {
    let states = (UInt64(0)..<100).map { SeededGenerator(seed: 7, stream: $0).state }
    #expect(Set(states).count == 100)
    #expect(states[0] == SeededGenerator(seed: 7).state)
  }

  @Test func `a saved state goes on with the same numbers`() throws {
    var generator = SeededGenerator(seed: 7)
    for _ in 0..<10 { _ = generator.next() }
    var restored = try #require(SeededGenerator(state: generator.state))
    #expect(restored == generator)
    #expect((0..<10).map { _ in restored.next() } == (0..<10).map { _ in generator.next() })
    #expect(SeededGenerator(state: [0, 0, 0, 0]) == nil)
    #expect(SeededGenerator(state: [1, 2, 3]) == nil)
    #expect(SeededGenerator(state: [1, 2, 3, 4, 5]) == nil)
  }

  @Test func `uniform numbers fill their bounds and no more`() {
    var generator = SeededGenerator(seed: 8)
    let values = generator.uniform([100, 100], bound: 0.25).scalars
    #expect(values.allSatisfy { $0 >= -0.25 && $0 < 0.25 })
    #expect(values.contains { $0 < -0.249 } && values.contains { $0 > 0.249 })
    // The mean of 10,000 has a standard deviation of 0.0014.
    #expect(abs(values.reduce(0, +) / 10_000) < 0.006)
    #expect(Set(values).count > 9_900)
  }

  @Test func `normal numbers have their mean and deviation`() {
    var generator = SeededGenerator(seed: 9)
    let values = generator.normal([100, 100], standardDeviation: 2).doubles
    let mean = values.reduce(0, +) / 10_000
    let variance = values.reduce(0) { $0 + $1 * $1 } / 10_000
    #expect(abs(mean) < 0.08)
    #expect(abs(variance - 4) < 0.25)
    #expect(values.allSatisfy { $0.isFinite })
    // About 4.6 % lie beyond two deviations.
    #expect((350...570).contains(values.filter { abs($0) > 4 }.count))
  }
}
