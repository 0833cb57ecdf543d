@testable import BitConversion
import BitCore
import BitFormats
import Foundation
import Testing

@Suite struct QuantizedLayerTests {
  private static let shape: Shape = [1040, 1280]

  /// More than one piece of rows, with a row of zeros.
  private static func sample(seed: UInt64 = 3) -> Tensor {
    var generator = SeededGenerator(seed: seed)
    return Tensor(
      (0..<1040 * 1280).map {
        $0 < 1280 ? 0 : Float.random(in: -1...1, using: &generator) / 3 + 0.01
      }
    ).reshaped(shape)
  }

  private func recipe(_ weights: WeightAlphabet) -> QuantizationRecipe {
    QuantizationRecipe(
      weights: weights, activations: QuantizationRecipe.b158.activations, normalization: nil)
  }

  private func write(_ folder: String, _ weight: Tensor) throws -> String {
    let path = "\(folder)/in.safetensors"
    try SafetensorsWriter.write(
      [
        SafetensorsEntry("a.weight", weight),
        SafetensorsEntry(
          "embed_tokens.weight", Tensor([1, 2, 3, 4]).reshaped([2, 2]), dtype: .f16),
        SafetensorsEntry("a.bias", Tensor([Float](repeating: 0.3, count: 1040)), dtype: .bf16),
        SafetensorsEntry("ids", [1, 2], shape: [2], dtype: .u8),
      ], metadata: ["format": "pt"], to: path)
    return path
  }

  @Test(arguments: WeightAlphabet.allCases, [1, 4])
  func equalsTheQuantizer(quantizer: WeightAlphabet, groups: Int) throws {
    try withTemporaryFolder { folder in
      let weight = Self.sample()
      let path = try write(folder, weight)
      let quantized = try QuantizedModel(
        ModelFile(path: path), recipe(quantizer), groups: groups)
      let layers = quantized.layers
      #expect(layers.map(\.name) == ["a.weight"])
      let out = "\(folder)/out.safetensors"
      let options = ConversionOptions(type: .bitlinear, isLossy: true)
      let conversion = try Conversion(quantized.model, to: out, options: options)
      try conversion.write()
      let expected = WeightQuantizer(quantizer).quantize(weight, groups: groups)
      let file = try SafetensorsFile(path: out)
      let matrix = try file.packedLayer("a").matrix
      #expect(matrix.codes == expected.codes)
      // One scale per group, and the number of groups beside them.
      #expect(matrix.scales == expected.scales)
      #expect(matrix.scales.values.count == groups)
      let text = try #require(file.metadata[PackedLayerFile.metadataKey])
      #expect(text.contains(#""groups":4"#) == (groups == 4))
      // Everything else is copied.
      let before = try SafetensorsFile(path: path)
      for name in ["embed_tokens.weight", "a.bias", "ids"] {
        let old = try before.withUnsafeBytes(of: name) { Array($0) }
        #expect(try file.withUnsafeBytes(of: name) { Array($0) } == old)
        #expect(file[name]?.dtype == before[name]?.dtype)
      }
      // The quality, from whole matrices.
      let values = WeightQuantizer(quantizer).values(weight, groups: groups).scalars
      var (error, square, product, other) = (0.0, 0.0, 0.0, 0.0)
      for (w, q) in zip(weight.scalars, values) {
        error += pow(Double(w) - Double(q), 2)
        square += Double(w) * Double(w)
        product += Double(w) * Double(q)
        other += Double(q) * Double(q)
      }
      let quality = layers[0].quality()
      #expect(abs(quality.relativeError - (error / square).squareRoot()) < 1e-9)
      #expect(abs(try #require(quality.cosine) - product / (square * other).squareRoot()) < 1e-9)
      let zeros = expected.codes.count { $0 == 0 }
      #expect(quality.zeroShare == Double(zeros) / Double(expected.codes.count))
      #expect(layers[0].codeCounts.plus == expected.codes.count { $0 == 1 })
    }
  }

  @Test func halfScalesKeepTheCodes() throws {
    try withTemporaryFolder { folder in
      let weight = Self.sample()
      let path = try write(folder, weight)
      // Not the integers, which GGUF does not have in this type.
      let bare = "\(folder)/bare.safetensors"
      try SafetensorsWriter.write([SafetensorsEntry("a.weight", weight)], to: bare)
      let source = try QuantizedModel(ModelFile(path: bare), recipe(.ternary)).model
      let out = "\(folder)/out.gguf"
      try Conversion(source, to: out, options: ConversionOptions(type: .tq2_0, isLossy: true))
        .write()
      let expected = WeightQuantizer.ternary.quantize(weight)
      let read = try weightCodes(out)
      #expect(read.codes == expected.codes)
      let stored = ConversionType.tq2_0.stored(scale: expected.scales.values[0])
      #expect(read.scales.allSatisfy { $0 == stored })
      #expect(stored != expected.scales.values[0])
      let whole = try QuantizedModel(ModelFile(path: path), recipe(.ternary)).model
      #expect(throws: InputError.self) {
        try Conversion(whole, to: out, options: ConversionOptions(type: .tq2_0, isLossy: true))
          .write()
      }
    }
  }

  private func weightCodes(_ path: String) throws -> CodedRows {
    let codes = try weight(path, "a.weight")
    return try codes.rows(0..<codes.rows)
  }

  @Test func refusals() throws {
    try withTemporaryFolder { folder in
      var weight = Self.sample().scalars
      weight[1280 * 1039 + 7] = .nan
      let path = try write(folder, Tensor(weight).reshaped(Self.shape))
      let source = try ModelFile(path: path)
      let error = #expect(throws: InputError.self) { try QuantizedModel(source, recipe(.ternary)) }
      #expect(error?.kind == .notFinite)
      #expect(error?.source == "\(path), tensor \"a.weight\"")
      #expect(error?.found == "nan in row 1039, column 7")
      let groups = #expect(throws: InputError.self) {
        try QuantizedModel(source, recipe(.ternary), groups: 3)
      }
      #expect(groups?.found == "1040 x 1280 weights in 3 groups")
      let none = #expect(throws: InputError.self) {
        try QuantizedModel(source, recipe(.ternary), choice: { _ in .keep("asked") })
      }
      #expect(none?.kind == .missing)
    }
  }

  @Test func zerosStayZeros() throws {
    try withTemporaryFolder { folder in
      let path = try write(folder, Tensor(repeating: 0, shape: Self.shape))
      let quantized = try QuantizedModel(ModelFile(path: path), recipe(.ternary))
      let (source, layers) = (quantized.model, quantized.layers)
      let out = "\(folder)/out.safetensors"
      try Conversion(source, to: out, options: ConversionOptions(type: .hf, isLossy: true)).write()
      #expect(layers[0].isZero)
      let quality = layers[0].quality()
      #expect(quality.relativeError == 0 && quality.cosine == nil && quality.zeroShare == 1)
      #expect(try weightCodes(out).codes.allSatisfy { $0 == 0 })
    }
  }

  @Test(arguments: [
    ("model.layers.0.mlp.up_proj.weight", true), ("blk.0.attn_output.weight", true),
    ("model.layers.0.mlp.experts.0.up_proj.weight", true),
    ("model.layers.0.mlp.gate.weight", false),
    ("blk.0.ffn_gate_inp.weight", false), ("blk.0.ffn_gate.weight", true),
    ("score.weight", false), ("classifier.weight", false),
    ("output.weight", false), ("lm_head.weight", false), ("token_embd.weight", false),
    ("model.norm.weight", false), ("encoder.output.weight", false), ("a.bias", false),
  ])
  func names(name: String, isLinear: Bool) {
    #expect((WeightChoice.byName(name) == .quantize) == isLinear)
  }
}
