import BitCore
import BitFiles
import Foundation
import Testing

@testable import BitFormats

/// What is read of models that other programs wrote.
@Suite struct DecoderConfigurationTests {
  static func path(_ name: String) throws -> String {
    try #require(
      Bundle.module.url(forResource: name, withExtension: nil, subdirectory: "Golden"), "\(name)"
    ).path
  }

  static func read(_ name: String) throws -> DecoderConfiguration {
    let layout: I2SLayout? = name.hasSuffix("-arm.gguf") ? .arm : nil
    return try DecoderConfiguration(
      ModelFile(path: path(name), options: GGUFOptions(i2sLayout: layout)))
  }

  private static let bitnet = DecoderConfiguration(
    family: .bitnet, vocabularySize: 320, hiddenSize: 64, layerCount: 2, intermediateSize: 160,
    headCount: 4, keyValueHeadCount: 2, headLength: 16, contextLength: 128, normEpsilon: 1e-5,
    activation: .squaredReLU, rotary: RotaryEmbedding(theta: 500_000, length: 16),
    isInterleaved: false, tiesEmbeddings: true, hasSubNorms: true, hasQueryKeyNorms: false,
    hasProjectionNorms: false, projectionNormEpsilon: 1e-5, activations: .perTokenInt8,
    hasLatentWeights: false, pooling: .none, beginOfSequence: 312, endOfSequence: [313])

  private static func llama(
    _ hidden: Int, _ intermediate: Int, heads: (Int, Int), theta: Float
  ) -> DecoderConfiguration {
    var llama = bitnet
    (llama.family, llama.activation, llama.hasSubNorms) = (.llama, .silu, false)
    (llama.hiddenSize, llama.intermediateSize) = (hidden, intermediate)
    (llama.headCount, llama.keyValueHeadCount) = heads
    (llama.headLength, llama.contextLength) = (hidden / heads.0, 256)
    llama.rotary = RotaryEmbedding(theta: theta, length: hidden / heads.0)
    (llama.tiesEmbeddings, llama.endOfSequence) = (false, [313, 316])
    return llama
  }

  private static func qwen3(tied: Bool) -> DecoderConfiguration {
    var qwen = llama(128, tied ? 256 : 128, heads: (4, 2), theta: 1e6)
    (qwen.family, qwen.hasQueryKeyNorms, qwen.tiesEmbeddings) = (.qwen3, true, tied)
    (qwen.normEpsilon, qwen.projectionNormEpsilon, qwen.headLength) = (1e-6, 1e-6, 64)
    qwen.rotary = RotaryEmbedding(
      theta: 1e6, length: 64,
      scaling: .yarn(RotaryScaling.YaRN(factor: 4, originalContext: 64)))
    qwen.activations = .weightOnly
    return qwen
  }

  @Test func `A BitNet folder`() throws {
    var expected = Self.bitnet
    #expect(try Self.read("tiny64-offline-autobitlinear-f32") == expected)
    #expect(try Self.read("tiny64-offline-autobitlinear-bf16") == expected)
    expected.tiesEmbeddings = false
    #expect(try Self.read("tiny64-offline-bitlinear-f32-untied") == expected)
    expected = Self.bitnet
    (expected.contextLength, expected.endOfSequence) = (512, [313, 316])
    #expect(try Self.read("lm/bitnet-64-long") == expected)
  }

  @Test(arguments: ["tq1_0", "tq2_0", "i2_s-x86", "i2_s-arm"])
  func `A BitNet folder and its GGUF files`(type: String) throws {
    var expected = try Self.read("tiny256-offline-f32")
    #expect(expected.headLength == 64 && expected.hasSubNorms)
    // The folder lacks the generation_config.json that names the end of a turn.
    expected.endOfSequence = [313, 316]
    #expect(try Self.read("gguf/tiny256-\(type).gguf") == expected)
  }

  @Test func `A llama folder and its GGUF files`() throws {
    var expected = Self.llama(256, 256, heads: (8, 2), theta: 500_000)
    #expect(try Self.read("lm/llama-b158-256") == expected)
    expected.isInterleaved = true
    for type in ["tq2_0", "i2_s"] {
      #expect(try Self.read("lm/gguf/llama-b158-256-\(type).gguf") == expected)
    }
  }

  @Test func `Scaling as in Llama 3.1, from numbers and from divisors`() throws {
    var expected = Self.llama(64, 160, heads: (4, 2), theta: 10_000)
    expected.rotary.scaling = .llama3(
      factor: 8, lowFrequency: 1, highFrequency: 4, originalContext: 32)
    let folder = try Self.read("lm/llama-b158-64-rope3")
    #expect(folder == expected)
    var file = try Self.read("lm/gguf/llama-b158-64-rope3-f16.gguf")
    let (a, b) = (folder.rotary.inverseFrequencies, file.rotary.inverseFrequencies)
    #expect(zip(a, b).allSatisfy { abs($0 - $1) <= $0.ulp * 2 } && a.count == 8)
    #expect(a != RotaryEmbedding(theta: 10_000, length: 16).inverseFrequencies)
    // Its weights are floats, but each matrix holds one scale.
    #expect(file.isInterleaved)
    (file.isInterleaved, file.rotary) = (false, folder.rotary)
    #expect(file == folder)
  }

  @Test func `Qwen3 folders and their GGUF files`() throws {
    let tied = Self.qwen3(tied: true)
    #expect(try Self.read("lm/qwen3-t128-tied") == tied)
    for type in ["q2_0", "pq2_0", "q2_0-g128-old"] {
      #expect(try Self.read("lm/gguf/qwen3-t128-tied-\(type).gguf") == tied)
    }
    let untied = Self.qwen3(tied: false)
    for name in ["qwen3-t128-untied", "qwen3-s128-untied"] {
      #expect(try Self.read("lm/\(name)") == untied)
    }
    #expect(try Self.read("lm/gguf/qwen3-t128-untied-q2_0.gguf") == untied)
    #expect(try Self.read("lm/gguf/qwen3-s128-untied-q1_0.gguf") == untied)
  }

  @Test(arguments: ["64-q8_0", "64-q4_1", "256-q6_k"])
  func `An ordinary llama`(name: String) throws {
    let isSmall = name.hasPrefix("64")
    var expected = Self.llama(
      isSmall ? 64 : 256, isSmall ? 128 : 256, heads: isSmall ? (4, 2) : (8, 4), theta: 100_000)
    (expected.isInterleaved, expected.activations) = (true, .float)
    expected.tiesEmbeddings = name != "64-q8_0"
    if !isSmall { expected.layerCount = 1 }
    #expect(try Self.read("lm/gguf/llama-float-\(name).gguf") == expected)
  }

  @Test func `Every tensor has a name in both kinds of file, and is found by it`() throws {
    let configuration = try Self.read("lm/qwen3-t128-untied")
    #expect(configuration.tensors.count == 1 + 2 * 11 + 2)
    var all = configuration
    (all.hasSubNorms, all.hasProjectionNorms) = (true, true)
    #expect(all.parts.count == DecoderTensor.Part.allCases.count)
    for naming in [DecoderTensor.Naming.huggingFace, .gguf] {
      let names = all.tensors.map { $0.name(in: naming) }
      #expect(Set(names).count == names.count)
      #expect(names.compactMap { DecoderTensor($0, in: naming) } == all.tensors)
    }
  }
}
