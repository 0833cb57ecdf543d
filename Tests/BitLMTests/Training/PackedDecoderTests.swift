import BitConversion
import BitCore
import BitFormats
import BitLM
import BitNN
import TestSupport
import Testing

/// From a decoder that was trained to files of codes.
struct PackedDecoderTests {
  struct Target: Sendable, CustomTestStringConvertible {
    let model: String
    let type: ConversionType

    var testDescription: String { "\(model) as \(type)" }
  }

  /// The formats of GGUF have blocks of 256 and of 128 columns, and TQ2_0 has scales of float16,
  /// which those of the models for it are.
  static let targets =
    ["lm/llama-b158-64-rope3", "tiny64-online-f32", "lm/bitnet-64-long"].map {
      Target(model: $0, type: .hf)
    }
    + ["lm/llama-b158-256", "tiny256-offline-f32"].flatMap { model in
      [ConversionType.hf, .i2_s].map { Target(model: model, type: $0) }
    }
    + ["lm/gguf/llama-b158-256-tq2_0.gguf", "tiny256-offline-f32"].map {
      Target(model: $0, type: .tq2_0)
    }

  @Test("Packed decoders have their logits", arguments: targets)
  func packed(_ target: Target) throws {
    let golden = try #require(GoldenModel.all.first { $0.path == target.model })
    // Embeddings and norms as a training leaves them, which are no numbers of float16.
    var model = try golden.decoder()
    model.updateParameters { name, value, _ in
      if name.contains("norm") || name.contains("embed") { value = value * 1.0001 }
    }
    try withFolder { folder in
      let path = try write(model, as: target.type, in: folder)
      let language = try LanguageModel.load(
        path: path, options: LanguageModel.Options(cachePrecision: .float32))
      let again = try DecoderModel(ModelFile(path: path))
      // The third text of llama-b158-256 has an input that lies within 8e-6 of the middle between
      // two integers.
      for ids in try golden.sequences.prefix(2) {
        let logits = model.allLogits(of: ids)
        let differences = (
          language: largestDifference(try language.allLogits(of: ids), logits),
          again: largestDifference(again.allLogits(of: ids), logits)
        )
        #expect(differences.language < 1e-4 && differences.again < 1e-4)
      }
      try expectCodes(again, of: model)
    }
  }

  /// A model in which each projection has a norm of its own.
  @Test("Norms of projections", arguments: [ConversionType.hf, .i2_s])
  func projectionNorms(_ type: ConversionType) throws {
    var configuration = DecoderConfiguration.llama(
      vocabulary: 40, hidden: 128, layers: 1, heads: 4, keyValueHeads: 1, intermediate: 256,
      context: 64)
    configuration.hasProjectionNorms = true
    var generator = SeededGenerator(seed: 3)
    let model = DecoderModel(configuration, recipe: .b158, using: &generator)
    try withFolder { folder in
      let path = try write(model, as: type, in: folder)
      let again = try DecoderModel(ModelFile(path: path))
      let language = try LanguageModel.load(
        path: path, options: LanguageModel.Options(cachePrecision: .float32))
      let ids: [Int32] = [3, 1, 4, 15, 9]
      let logits = model.allLogits(of: ids)
      #expect(largestDifference(try language.allLogits(of: ids), logits) < 1e-4)
      #expect(largestDifference(again.allLogits(of: ids), logits) < 1e-4)
      try expectCodes(again, of: model)
    }
  }

  /// Readers of GGUF would take its weights for latent ones.
  @Test("Floats of the family bitnet stay out of GGUF")
  func floatBitNet() throws {
    var generator = SeededGenerator(seed: 3)
    let model = DecoderModel(
      .bitnet(vocabulary: 40, hidden: 16, layers: 1, heads: 2, intermediate: 24),
      using: &generator)
    try withFolder { folder in
      try model.save(toFolder: "\(folder)/model")
      let language = try LanguageModel.load(
        path: "\(folder)/model", options: LanguageModel.Options(cachePrecision: .float32))
      let ids: [Int32] = [3, 1, 4, 15, 9]
      #expect(
        largestDifference(try language.allLogits(of: ids), model.allLogits(of: ids)) < 1e-4)
      expectError(.unsupported, "\(folder)/model", "family bitnet") {
        _ = try Conversion(ModelFile(path: "\(folder)/model"), to: "\(folder)/model.gguf")
      }
    }
  }

  /// Saves a model, packs it and returns the path of the result.
  private func write(
    _ model: DecoderModel, as type: ConversionType, in folder: String
  ) throws -> String {
    try model.save(toFolder: "\(folder)/online")
    let quantized = try QuantizedModel(ModelFile(path: "\(folder)/online"), .b158WithoutNorm)
    #expect(quantized.layers.count == 7 * model.layers.count)
    let path = "\(folder)/" + (type == .hf ? "packed/" : "packed.gguf")
    try Conversion(quantized.model, to: path, options: ConversionOptions(type: type))
      .write(verifying: true)
    return path
  }

  /// Latent weights from codes quantize to the same codes and the same scale.
  private func expectCodes(_ again: DecoderModel, of model: DecoderModel) throws {
    let (found, expected) = (again.packedLayers(), model.packedLayers())
    #expect(found.map(\.name) == expected.map(\.name) && !found.isEmpty)
    for ((name, a), (_, b)) in zip(found, expected) {
      #expect(a.matrix.codes == b.matrix.codes, "\(name)")
      #expect(a.matrix.scales == b.matrix.scales, "\(name)")
    }
  }
}
