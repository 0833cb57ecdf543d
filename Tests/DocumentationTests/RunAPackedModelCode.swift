import BitFormats
import Testing

/// The code of the article "Run a packed model", with nothing but BitFormats.
@Suite struct RunAPackedModelCode {
  @Test func layersOfAFile() throws {
    var generator = SeededGenerator(seed: 0)
    let made = try [[32, 16], [4, 32]].map { shape in
      try PackedBitLinear(
        matrix: QuantizationRecipe.b158.weightQuantizer.quantize(generator.normal(Shape(shape))),
        recipe: .b158)
    }
    try withTemporaryFolder { folder in
      let path = "\(folder)/packed.safetensors"
      try PackedLayerFile.write([("0", made[0]), ("2", made[1])], to: path)
      let input = generator.normal([3, 16])

      // RunAPackedModel.md, block 1
      let file = try SafetensorsFile(path: path)  // "packed.safetensors"
      let layers = try file.packedLayerNames().map { name in
        try file.packedLayer(name)
      }

      var activations = input  // [batch, in]
      for (index, layer) in layers.enumerated() {
        activations = layer(activations)
        if index < layers.count - 1 { activations = Activation.relu(activations) }
      }
      print(activations.shape)  // [batch, out]
      // End of block 1
      #expect(activations == made[1](Activation.relu(made[0](input))))
      #expect(activations.shape == [3, 4])
    }
  }

  @Test func codesOfAnyFormat() throws {
    for (path, name) in [
      ("gguf/tiny256-tq2_0.gguf", "blk.0.ffn_up"),
      ("tiny64-offline-bitlinear-f32-untied", "model.layers.0.mlp.up_proj"),
    ] {
      let path = "\(goldenFolder)/\(path)"
      // RunAPackedModel.md, block 2
      let model = try ModelFile(path: path)  // "model.gguf" or a folder
      for tensor in model.tensors {
        guard case .codes = tensor.content else { continue }
        let name = String(tensor.name.dropLast(".weight".count))
        let layer = try model.packedLayer(name, recipe: .b158)
        print(name, layer.inFeatures, layer.outFeatures)
      }
      // End of block 2
      let layer = try model.packedLayer(name, recipe: .b158)
      var generator = SeededGenerator(seed: 0)
      let output = layer(generator.normal([2, layer.inFeatures]))
      #expect(output.shape == [2, layer.outFeatures] && output.scalars.allSatisfy(\.isFinite))
    }
  }
}
