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

  /// The formats of GGUF have blocks of 256 and of 128 columns.
  static let targets =
    ["lm/llama-b158-64-rope3", "tiny64-online-f32", "lm/bitnet-64-long"].map {
      Target(model: $0, type: .hf)
    }
    + ["lm/llama-b158-256", "tiny256-offline-f32"].flatMap { model in
      [ConversionType.hf, .tq2_0, .i2_s].map { Target(model: model, type: $0) }
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
      try model.save(toFolder: "\(folder)/online")
      let quantized = try QuantizedModel(
        ModelFile(path: "\(folder)/online"), .b158WithoutNorm)
      #expect(quantized.layers.count == 7 * model.layers.count)
      let path = "\(folder)/" + (target.type == .hf ? "packed/" : "packed.gguf")
      try Conversion(
        quantized.model, to: path, options: ConversionOptions(type: target.type)
      ).write(verifying: true)
      let language = try LanguageModel.load(
        path: path, options: LanguageModel.Options(cachePrecision: .float32))
      let again = try DecoderModel(ModelFile(path: path))
      for ids in try golden.sequences {
        let logits = model.allLogits(of: ids)
        #expect(largestDifference(try language.allLogits(of: ids), logits) < 1e-4)
        #expect(largestDifference(again.allLogits(of: ids), logits) < 1e-4)
      }
      try expectCodes(again, of: model)
    }
  }

  /// Latent weights from codes quantize to the same codes and, up to rounding, to the same scale.
  private func expectCodes(_ again: DecoderModel, of model: DecoderModel) throws {
    let (found, expected) = (again.packedLayers(), model.packedLayers())
    #expect(found.map(\.name) == expected.map(\.name) && !found.isEmpty)
    for ((name, a), (_, b)) in zip(found, expected) {
      #expect(a.matrix.codes == b.matrix.codes, "\(name)")
      let (own, expected) = (a.matrix.scales.values, b.matrix.scales.values)
      #expect(own.count == 1 && expected.count == 1)
      // TQ2_0 has scales of float16.
      #expect(abs(own[0] - expected[0]) <= 6e-4 * expected[0], "\(name)")
    }
  }
}
