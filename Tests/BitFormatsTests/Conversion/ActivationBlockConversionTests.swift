import BitConversion
import BitCore
import BitFormats
import Testing

/// Layers whose activations have a scale for each block of columns: formats that can say so keep
/// it, and Hugging Face's, which cannot, is refused or not chosen.
@Suite struct ActivationBlockConversionTests {
  private static let name = "blk.0.ffn_up"

  private func recipe(_ length: Int, _ weights: WeightAlphabet = .ternary) -> QuantizationRecipe {
    QuantizationRecipe(
      weights: weights,
      activations: ActivationQuantizer(granularity: .block(length), epsilon: 1e-5),
      normalization: nil)
  }

  private func layer(_ length: Int, _ weights: WeightAlphabet = .ternary) throws -> PackedBitLinear
  {
    try PackedBitLinear(
      matrix: CodeMatrix(
        codes: randomCodes(8 * 512, seed: 1, alphabet: weights), rows: 8, columns: 512,
        alphabet: weights, groupScales: [0.5]), recipe: recipe(length, weights))
  }

  private func expectRefused(_ length: Int, _ body: () throws -> Void) {
    let error = #expect(throws: InputError.self, performing: body)
    #expect(error?.kind == .unsupported && error?.source.contains("weight") == true)
    let found = error?.found ?? ""
    #expect(found.contains("block of \(length)") || found.contains("activation_block \(length)"))
  }

  @Test(arguments: ActivationQuantizer.Granularity.blockLengths, WeightAlphabet.allCases)
  func `packed layers keep their recipe`(length: Int, weights: WeightAlphabet) throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/a.safetensors"
      let expected = try layer(length, weights)
      try PackedLayerFile.write([(Self.name, expected)], to: path)
      var last = path
      for (index, name) in ["b.gguf", "c.gguf", "d.safetensors"].enumerated() {
        let next = "\(folder)/\(name)"
        let type = try convert(last, next)
        #expect(index < 2 || type == .bitlinear)
        let read = try ModelFile(path: next).packedLayer(Self.name)
        #expect(read.recipe == expected.recipe)
        let x = Tensor((0..<1024).map { Float($0 % 37) - 18 }, shape: [2, 512])
        #expect(read(x) == expected(x))
        last = next
      }
      for source in [path, "\(folder)/b.gguf"] where weights == .ternary {
        expectRefused(length) {
          try convert(source, "\(folder)/hub/", ConversionOptions(type: .hf))
        }
      }
    }
  }

  /// The caller says how codes of GGUF are used, which do not tell.
  @Test func `the caller's recipe`() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/a.gguf"
      try ConversionSample().writeGGUF(path, .tq2_0)
      expectRefused(64) {
        try convert(path, "\(folder)/b.safetensors", .init(type: .hf, recipe: recipe(64)))
      }
      let out = "\(folder)/c.safetensors"
      let conversion = try Conversion(
        ModelFile(path: path), to: out, options: .init(recipe: recipe(64)))
      #expect(conversion.type == .bitlinear)
      #expect(conversion.reason.contains("because hf cannot hold it"))
      #expect(conversion.reason.contains("8 bits per block of 64"))
      try conversion.write()
      #expect(try ModelFile(path: out).packedLayer(Self.name).recipe == recipe(64))
      // The recipe that Hugging Face's layers have is no obstacle.
      #expect(try convert(path, "\(folder)/d.safetensors", .init(recipe: .b158)) == .hf)
    }
  }

  /// Layers that are quantized here have the recipe by which they are, whatever the target.
  @Test func `quantized models`() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/a.safetensors"
      let weight = Tensor((0..<8 * 512).map { Float($0 % 11) - 5 }, shape: [8, 512])
      try SafetensorsWriter.write([SafetensorsEntry("\(Self.name).weight", weight)], to: path)
      let floats = "\(folder)/a.gguf"
      try GGUFWriter.write(
        [GGUFEntry("\(Self.name).weight", weight)],
        metadata: ["general.architecture": .string("other")], to: floats)
      for source in [path, floats] {
        let model = try QuantizedModel(ModelFile(path: source), recipe(128)).model
        for out in ["\(folder)/b.safetensors", "\(folder)/b.gguf"] {
          try Conversion(model, to: out, options: .init(isLossy: true)).write()
          #expect(try ModelFile(path: out).packedLayer(Self.name).recipe == recipe(128))
        }
        expectRefused(128) {
          _ = try Conversion(
            model, to: "\(folder)/c.safetensors", options: .init(type: .hf, isLossy: true))
        }
      }
    }
  }

  @Test func `an entry of Hugging Face`() throws {
    let layer = try layer(32)
    let error = #expect(throws: InputError.self) {
      try HuggingFaceLayer.entries("l", layer, quantization: HuggingFaceQuantization())
    }
    #expect(error?.found.contains("activation_block 32") == true)
  }
}
