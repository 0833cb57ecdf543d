import BitNN
import Testing

/// The code of the article "Train a layer".
@Suite struct TrainALayerCode {
  // TrainALayer.md, block 1
  struct Classifier: Layer {
    var hidden = BitLinear(10, 32, recipe: .b158)
    var dropout = Dropout(0.1)
    var output = Linear(32, 2)

    @differentiable(reverse)
    func callAsFunction(_ input: Tensor) -> Tensor {
      output(dropout(relu(hidden(input))))
    }

    mutating func visitChildren(
      _ visit: ModuleVisitor, gradient: TangentVector?
    ) {
      visit("hidden", &hidden, gradient?.hidden)
      visit("dropout", &dropout, gradient?.dropout)
      visit("output", &output, gradient?.output)
    }
  }
  // End of block 1

  /// Samples whose class is the sign of their first value.
  static func samples() -> (input: Tensor, labels: [Int32]) {
    var generator = SeededGenerator(seed: 0)
    let input = generator.normal([128, 10])
    return (input, (0..<128).map { input[$0, 0] > 0 ? 1 : 0 })
  }

  static func loss(_ model: some Layer) -> Float {
    let (input, labels) = samples()
    return softmaxCrossEntropy(model(input), labels: labels)
  }

  @Test func loopAndPacking() throws {
    let (input, labels) = Self.samples()
    // TrainALayer.md, block 2
    var model = Classifier()
    var optimizer = AdamW()
    let schedule = LearningRateSchedule(
      peak: 1e-2, course: .cosine(), warmupSteps: 10)

    for step in 0..<100 {
      optimizer.learningRate = schedule.rate(step: step, totalSteps: 100)
      let (loss, gradient) = valueWithGradient(at: model) { model in
        softmaxCrossEntropy(model(input), labels: labels)
      }
      optimizer.update(&model, along: gradient, clipNorm: 1)
      if step % 25 == 0 { print(step, loss) }
    }
    // End of block 2
    #expect(Self.loss(model) < 0.2)

    try withTemporaryFolder { folder in
      let path = "\(folder)/packed.safetensors"
      // TrainALayer.md, block 4
      let packed = model.packed()
      print(packed(input) == model(input))  // true
      try packed.save(to: path)  // "packed.safetensors"

      var loaded = Classifier()
      try loaded.load(path: path)
      // End of block 4
      #expect(packed(input) == model(input))
      #expect(loaded(input) == model(input))
    }
  }

  @Test func tuning() {
    let (input, labels) = Self.samples()
    let floatModel = ReadmeTests.FloatModel()
    var tuning = AdamW(learningRate: 1e-2)
    // TrainALayer.md, block 3
    var tuned = floatModel.quantized(.b158) { name, _ in name != "output" }
    tuned.freeze { name in name.hasPrefix("output.") }

    let warmup = QuantizationWarmup(steps: 50)
    for step in 0..<100 {
      tuned.setQuantizationStrength(warmup.strength(step: step))
      let (_, gradient) = valueWithGradient(at: tuned) { model in
        softmaxCrossEntropy(model(input), labels: labels)
      }
      tuning.update(&tuned, along: gradient)
    }
    // End of block 3
    #expect(Self.loss(tuned) < Self.loss(floatModel))
    #expect(tuned.output.weight == floatModel.output.weight)
    #expect(tuned.hidden.bitLinear?.strength == .full)
  }
}
