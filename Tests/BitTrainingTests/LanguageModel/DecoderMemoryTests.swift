import BitCore
import BitFormats
import BitNN
import TestSupport
import Testing

@testable import BitTraining

@Suite struct DecoderMemoryTests {
  private func memory(
    _ configuration: DecoderConfiguration, batchSize: Int = 1, accumulation: Int = 1,
    length: Int = 16, recomputes: Bool = false, teacher: DecoderConfiguration? = nil
  ) -> DecoderMemory {
    DecoderMemory(
      configuration,
      options: DecoderTrainingOptions(batchSize: batchSize, accumulation: accumulation),
      length: length, recomputesActivations: recomputes, teacher: teacher)
  }

  private let small = DecoderConfiguration.llama(vocabulary: 257, hidden: 64, layers: 4)

  @Test func giantsAreRefused() {
    let giant = DecoderConfiguration.llama(vocabulary: 257, hidden: 16_384, layers: 256)
    expectError(
      .unsupported, "giant: found a training that takes about ", "GB for weights",
      "GB of this machine"
    ) { try memory(giant).check(source: "giant") }
    // The largest that options allow: no number may overflow.
    let largest = DecoderConfiguration.llama(
      vocabulary: 1 << 20, hidden: 16_384, layers: 256, intermediate: 65_536)
    let all = memory(
      largest, batchSize: 65_536, accumulation: 65_536, length: 1 << 20, teacher: largest)
    #expect(all.bytes > 1 << 60)
    expectError(.unsupported, "largest") { try all.check(source: "largest") }
  }

  @Test func smallOnesAreNot() throws {
    try memory(small).check(source: "small")
    #expect(memory(small).bytes < 100_000_000)
  }

  @Test func moreNeedsMore() {
    let one = memory(small, length: 256)
    #expect(one.weightBytes >= 4 * 4 * small.parameterCount)
    #expect(memory(small, batchSize: 2, length: 256).activationBytes > one.activationBytes)
    #expect(memory(small, length: 256, recomputes: true).activationBytes < one.activationBytes)
    #expect(memory(small, accumulation: 2, length: 256).weightBytes > one.weightBytes)
    #expect(
      memory(small, length: 256, teacher: small).weightBytes
        == one.weightBytes + 4 * small.parameterCount)
  }
}
