import BitFormats
import BitNN
import BitTraining
import Foundation
import Testing

/// The code of the README, with nothing but the public interface of the modules that it imports.
@Suite struct ReadmeTests {
  // README.md, block 4
  struct MyModel: Layer {
    var linear = BitLinear(10, 20, recipe: .b158)

    @differentiable(reverse)
    func callAsFunction(_ input: Tensor) -> Tensor { linear(input) }

    mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
      visit("linear", &linear, gradient?.linear)
    }
  }
  // End of block 4

  @Test func packedFile() throws {
    try withTemporaryFolder { folder in
      let path = "\(folder)/packed.safetensors"
      let trained = BitLinear(10, 20, recipe: .b158)
      try PackedLayerFile.write([("linear", trained.packedLayer())], to: path)
      var generator = SeededGenerator(seed: 0)
      let input = generator.normal([128, 10])
      // README.md, block 1
      let file = try SafetensorsFile(path: path)  // "packed.safetensors"
      print(try file.packedLayerNames())  // ["linear"]
      let layer = try file.packedLayer("linear")
      print(layer(input).shape)  // [128, 20]
      // End of block 1
      #expect(try file.packedLayerNames() == ["linear"])
      #expect(layer(input).shape == [128, 20])
      #expect(layer(input) == trained(input))
    }
  }

  @Test func examplesOfTheReference() {
    var generator = SeededGenerator(seed: 0)
    let input = generator.normal([128, 10])
    // README.md, block 3
    let layer = BitLinear(10, 20)  // 1-bit weights, 8-bit activations: recipe .bitnet
    let grouped = BitLinear(10, 20, groups: 2)  // two groups of output rows, a scale each
    print(layer(input).shape, grouped(input).shape)  // [128, 20] [128, 20]
    // End of block 3
    #expect(layer(input).shape == [128, 20])
    #expect(grouped(input).shape == [128, 20])
    #expect(MyModel()(input).shape == [128, 20])
  }

  @Test func trainingAndPacking() throws {
    var generator = SeededGenerator(seed: 0)
    let input = generator.normal([128, 10])
    let labels = [Int32](repeating: 1, count: 128)
    // README.md, block 5
    var model = MyModel()
    var optimizer = AdamW(learningRate: 1e-3)
    let (loss, gradient) = valueWithGradient(at: model) { model in
      softmaxCrossEntropy(model(input), labels: labels)
    }
    optimizer.update(&model, along: gradient, clipNorm: 1)
    // End of block 5
    #expect(loss.isFinite)
    #expect(gradient.linear.weight.shape == [20, 10])
    for _ in 0..<20 {
      let next = valueWithGradient(at: model) { softmaxCrossEntropy($0(input), labels: labels) }
      optimizer.update(&model, along: next.gradient)
    }
    #expect(softmaxCrossEntropy(model(input), labels: labels) < loss)

    try withTemporaryFolder { folder in
      let csv = (0..<60).map { "\($0 % 2),\($0 % 2 * 9),1,2,3,4,5,6,7,8,\($0)" }
      for name in ["train.csv", "test.csv"] {
        try csv.joined(separator: "\n").write(
          toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
      }
      let path = "\(folder)/packed.safetensors"
      // README.md, block 6
      var trainer = Trainer(model, data: try TrainTestData.load(path: folder))
      try trainer.run(display: .standardError())
      let packed = trainer.model.packed()  // codes instead of latent weights; the same bits out
      try packed.save(to: path)  // "packed.safetensors"
      // End of block 6
      var loaded = MyModel()
      try loaded.load(path: path)
      #expect(loaded(input) == trainer.model(input))
      #expect(packed(input) == trainer.model(input))
    }
  }

  @Test func replacingLayers() {
    let floatModel = FloatModel()
    // TrainALayer.md, block 5
    let quantized = floatModel.quantized { name, layer in
      name == "output" ? nil : layer.inFeatures < 256 ? .bitnet : .b158
    }
    // End of block 5
    #expect(quantized.hidden.bitLinear?.recipe == .bitnet)
    #expect(quantized.hidden.bitLinear?.weight == floatModel.hidden.weight)
    #expect(quantized.output.bitLinear == nil)
  }

  struct FloatModel: Layer {
    var hidden = Linear(10, 20)
    var output = Linear(20, 2)

    @differentiable(reverse)
    func callAsFunction(_ input: Tensor) -> Tensor { output(relu(hidden(input))) }

    mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
      visit("hidden", &hidden, gradient?.hidden)
      visit("output", &output, gradient?.output)
    }
  }

  /// Layers are values that threads may share.
  @Test func layersAreSendable() {
    func share(_ value: some Sendable) -> Bool { true }
    #expect(share(BitLinear(2, 2)) && share(Linear(2, 2)) && share(RMSNorm(2)))
    #expect(share(LayerNorm(2)) && share(GroupNorm(1, 2)) && share(Embedding(2, 2)))
    #expect(share(Dropout()) && share(MultilayerPerceptron([Linear(2, 2)])))
  }
}
