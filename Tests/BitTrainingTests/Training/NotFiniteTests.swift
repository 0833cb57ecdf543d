import BitCore
import BitFormats
import BitFiles
@testable import BitTraining
import TestSupport
import Testing

import BitNN

/// Trainings that leave the finite numbers say where, and keep the last good checkpoint.
@Suite struct NotFiniteTests {
  private func options(rate: Float = 0.01, epochs: Int = 2) -> TrainingOptions {
    TrainingOptions(
      epochs: epochs, batchSize: 30, learningRate: LearningRateSchedule(peak: rate),
      weightDecay: WeightDecaySchedule(0))
  }

  @Test(arguments: ["b158", "bitnet", "float"], [0, 1, 2])
  func layerWithTheFirstNaNIsNamed(_ name: String, layer: Int) throws {
    var model = perceptron([20, 12, 12, 3], nil)
    model.layers[layer].weight[1, 2] = .nan
    if layer == 0 { model.layers[2].weight[0, 0] = .infinity }
    if let recipe = QuantizationRecipe.named(name) { model = model.quantized(recipe) }
    var trainer = Trainer(model, data: try syntheticData(train: 90), options: options())
    expectError(.notFinite, "loss of nan at step 1, first in layer layers.\(layer),") {
      try trainer.run()
    }
    #expect(trainer.progressSummary == "step 0, 0 of 2 epochs")
    #expect(trainer.history.epochs.isEmpty)
  }

  /// Layers other than products are named, too.
  @Test func normsAreNamed() throws {
    struct Normed: Layer {
      var first = Linear(20, 8)
      var norm = LayerNorm(8)
      var last = Linear(8, 3)

      @differentiable(reverse)
      func callAsFunction(_ input: Tensor) -> Tensor { last(norm(first(input))) }

      mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
        visit("first", &first, gradient?.first)
        visit("norm", &norm, gradient?.norm)
        visit("last", &last, gradient?.last)
      }
    }
    var model = Normed()
    model.updateParameters { name, value, _ in
      if name == "norm.weight" { value[2] = .infinity }
    }
    var trainer = Trainer(model, data: try syntheticData(), options: options())
    expectError(.notFinite, "at step 1, first in layer norm,") { try trainer.run() }
  }

  @Test func inputsAreNamed() throws {
    // Standardized, the only large value is beyond float32.
    var values = [Float](repeating: -3e38, count: 90 * 20)
    values[7] = 3e38
    let labels = (0..<90).map { Int32($0 % 3) }
    let train = try LabeledDataset(
      name: "train", values: values, sampleShape: [20], labels: labels)
    var trainer = Trainer(
      perceptron([20, 12, 3], .b158), data: try TrainTestData(train: train, test: train),
      options: options())
    expectError(.notFinite, "step", "first in the inputs") { try trainer.run() }
  }

  @Test func lossOfOnesOwnIsNamed() throws {
    var step = 0
    var trainer = Trainer(
      perceptron([20, 12, 3], .b158), data: try syntheticData(train: 90), options: options(),
      loss: { logits, labels in
        let result = Losses.softmaxCrossEntropy(logits, labels: labels)
        step += 1
        return step == 5 ? (.infinity, result.gradient) : result
      })
    expectError(.notFinite, "loss of inf at step 5, first in the loss") { try trainer.run() }
    #expect(trainer.progressSummary == "step 4, 1 of 2 epochs")
  }

  @Test func checkpointBeforeIsIntact() throws {
    let data = try syntheticData(train: 90)
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      var last: [UInt8] = []
      var step = 0
      var trainer = Trainer(
        perceptron([20, 12, 3], .b158), data: data, options: options(), checkpointPath: path,
        loss: { logits, labels in
          let result = Losses.softmaxCrossEntropy(logits, labels: labels)
          step += 1
          if step == 5 { last = (try? bytes(ofFile: path)) ?? [] }
          return step == 5 ? (.nan, result.gradient) : result
        })
      expectError(.notFinite, "step 5") { try trainer.run(checkpointInterval: 1) }
      #expect(!last.isEmpty)
      #expect(try bytes(ofFile: path) == last)
      var other = Trainer(
        perceptron([20, 12, 3], .b158), data: data, options: options(), checkpointPath: path)
      try other.resume()
      #expect(other.progressSummary == "step 4, 1 of 2 epochs")
      #expect(try other.run() == .finished)
    }
  }

  /// Rates at which weights are large, or no numbers at all, after one step.
  @Test(arguments: [(1e30, "layer layers.1"), (3e38, "layer layers.0")] as [(Float, String)])
  func hugeRatesAreFoundBeforeACheckpoint(_ rate: Float, _ place: String) throws {
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      try AtomicFile.write("an earlier one", to: path)
      var trainer = Trainer(
        perceptron([20, 12, 3], nil), data: try syntheticData(train: 90),
        options: options(rate: rate), checkpointPath: path)
      expectError(.notFinite, "at step 2, first in \(place)") { try trainer.run() }
      #expect(try bytes(ofFile: path) == Array("an earlier one".utf8))
    }
  }

  /// The last step of an epoch can be the one that goes too far.
  @Test func epochsThatEndOutsideAreFound() throws {
    let data = try syntheticData(train: 90)
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      var options = options(rate: 1e30)
      options.batchSize = 90
      var trainer = Trainer(
        perceptron([20, 12, 3], nil), data: data, options: options, checkpointPath: path)
      expectError(.notFinite, "test loss", "after step 1", "layer layers.1") { try trainer.run() }
      expectError(.missing, path) { _ = try SafetensorsFile(path: path) }
      #expect(trainer.history.epochs.isEmpty)
    }
  }

  @Test func parametersThatAreNotFiniteAreNotSaved() throws {
    let data = try syntheticData(train: 90)
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      var trainer = Trainer(
        perceptron([20, 12, 3], nil), data: data, options: options(rate: 3e38),
        checkpointPath: path)
      expectError(.notFinite, "layers.0.weight after step 1") {
        try trainer.run(checkpointInterval: 1)
      }
      expectError(.missing, path) { _ = try SafetensorsFile(path: path) }
    }
  }
}
