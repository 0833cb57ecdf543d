import BitConversion
import BitFormats
import Testing

/// The code of the article "Convert a model".
@Suite struct ConvertAModelCode {
  @Test func conversion() throws {
    try withTemporaryFolder { folder in
      let input = "\(goldenFolder)/tiny256-offline-f32"
      let output = "\(folder)/model.gguf"
      // ConvertAModel.md, block 1
      let model = try ModelFile(path: input)  // "bitnet-b1.58-2B-4T"
      let conversion = try Conversion(model, to: output)  // "model.gguf"
      print(conversion.type, conversion.reason)
      let result = try conversion.write(verifying: true)
      print(result.tensorCount, result.byteCount)
      // End of block 1
      let written = try ModelFile(path: output)
      #expect(result.tensorCount == written.tensors.count)
      for tensor in model.tensors {
        guard case .codes(let codes) = tensor.content else { continue }
        let name = conversion.name(of: tensor.name)
        let other = try #require(written.tensors.first { $0.name == name })
        guard case .codes(let otherCodes) = other.content else {
          Issue.record("no codes in \(name)")
          continue
        }
        #expect(try codes.values(0..<codes.rows) == otherCodes.values(0..<codes.rows), "\(name)")
      }
    }
  }

  @Test func quantization() throws {
    try withTemporaryFolder { folder in
      var generator = SeededGenerator(seed: 0)
      let (input, output) = ("\(folder)/model.safetensors", "\(folder)/packed.safetensors")
      let weight = generator.normal([8, 32])
      try SafetensorsWriter.write(
        [SafetensorsEntry("up.weight", weight), SafetensorsEntry("head.weight", weight)],
        to: input)
      // ConvertAModel.md, block 2
      let quantized = try QuantizedModel(ModelFile(path: input), .b158)
      let conversion = try Conversion(
        quantized.model, to: output,  // "packed.safetensors"
        options: ConversionOptions(type: .bitlinear, recipe: .b158))
      try conversion.write(verifying: true)
      for layer in quantized.layers { print(layer.name, layer.shape, layer.scales) }
      for weight in quantized.kept { print(weight.name, "stays as it is:", weight.reason) }
      // End of block 2
      #expect(quantized.layers.map(\.name) == ["up.weight"])
      #expect(quantized.kept.map(\.name) == ["head.weight"])
      let file = try SafetensorsFile(path: output)
      #expect(try file.packedLayerNames() == ["up"])
      #expect(try file.tensor("head.weight") == weight)
      let expected = QuantizationRecipe.b158.weightQuantizer.quantize(weight)
      #expect(try file.packedLayer("up").matrix.codes == expected.codes)
    }
  }
}
