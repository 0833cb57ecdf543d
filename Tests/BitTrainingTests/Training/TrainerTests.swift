import BitCore
import BitFormats
import BitFiles
@testable import BitTraining
import TestSupport
import Testing

import BitNN

@Suite struct TrainerTests {
  private func options(epochs: Int = 6) -> TrainingOptions {
    TrainingOptions(
      epochs: epochs, batchSize: 32, seed: 5,
      learningRate: LearningRateSchedule(peak: 0.01, course: .cosine()))
  }

  @Test(arguments: ["b158", "bitnet", "float"])
  func learns(_ name: String) throws {
    let data = try syntheticData()
    let model = perceptron([20, 24, 3], .named(name))
    var trainer = Trainer(model, data: data, options: options())
    let before = trainer.evaluate { model($0) }
    #expect(before.accuracy < 0.8)
    #expect(try trainer.run() == .finished)
    let after = trainer.evaluate { trainer.model($0) }
    #expect(after.accuracy > 0.9)
    #expect(after.loss < before.loss)

    let history = trainer.history
    #expect(trainer.stepsPerEpoch == 10)
    #expect(history.epochs.map(\.epoch) == [1, 2, 3, 4, 5, 6])
    #expect(history.epochs.map(\.step) == [10, 20, 30, 40, 50, 60])
    #expect(history.epochs.last?.testAccuracy == after.accuracy)
    #expect(history.epochs.last?.testLoss == after.loss)
    #expect(history.epochs[5].trainLoss < history.epochs[0].trainLoss)
    #expect(history.epochs[5].trainAccuracy > 0.9)
    let rates = history.epochs.map(\.learningRate)
    #expect(rates == rates.sorted(by: >) && rates[0] < 0.01)
    #expect(history.losses.map(\.epoch) == [2.5, 5])
    #expect(history.losses[1].loss < history.losses[0].loss)

    // The packed model gives the same bits.
    let packed = trainer.model.packed()
    let inputs = data.test.inputs(0..<90, standardization: trainer.standardization)
    #expect(sameBits(packed(inputs), trainer.model(inputs)))
    let packedResult = trainer.evaluate { packed($0) }
    #expect(packedResult.loss == after.loss)
    #expect(packedResult.predictions == after.predictions)
  }

  /// With a scale for each token a sample alone gives what it gives in a batch.
  @Test func tokensDoNotDependOnTheirBatch() throws {
    let data = try syntheticData()
    var trainer = Trainer(perceptron([20, 24, 3], .b158), data: data, options: options(epochs: 2))
    try trainer.run()
    let packed = trainer.model.packed()
    let inputs = data.test.inputs(0..<90, standardization: trainer.standardization)
    let outputs = packed(inputs)
    for row in 0..<90 {
      let input = Tensor(inputs.scalars[row * 20..<(row + 1) * 20], shape: [1, 20])
      #expect(packed(input).scalars == Array(outputs.scalars[row * 3..<(row + 1) * 3]))
      #expect(sameBits(packed(input), trainer.model(input)))
    }
  }

  @Test(arguments: ["b158", "bitnet", "float"])
  func seedDeterminesTheRun(_ name: String) throws {
    let data = try syntheticData()
    func run(seed: UInt64) throws -> Trainer<Pair<Linear>> {
      let float = Pair(
        Linear(weight: random([16, 20], scale: 0.2)), Linear(weight: random([3, 16], scale: 0.2)),
        dropout: 0.3)
      let model = QuantizationRecipe.named(name).map { float.quantized($0) } ?? float
      var options = options(epochs: 3)
      options.seed = seed
      var trainer = Trainer(model, data: data, options: options)
      try trainer.run()
      return trainer
    }
    let (a, b, c) = (try run(seed: 1), try run(seed: 1), try run(seed: 2))
    #expect(sameParameters(a.model, b.model))
    #expect(a.history.withoutTimes == b.history.withoutTimes)
    #expect(!sameParameters(a.model, c.model))
    #expect(a.history.withoutTimes != c.history.withoutTimes)
  }

  /// The random layers drop while training and not while judging.
  @Test func dropoutMakesADifferenceInTraining() throws {
    let data = try syntheticData()
    func trained(_ probability: Float) throws -> Pair<Linear> {
      let model = Pair(
        Linear(weight: random([16, 20], scale: 0.2)), Linear(weight: random([3, 16], scale: 0.2)),
        dropout: probability)
      var trainer = Trainer(model, data: data, options: options(epochs: 1))
      try trainer.run()
      let twice = (0..<2).map { _ in trainer.evaluate { trainer.model($0) }.loss }
      #expect(twice[0] == twice[1])
      return trainer.model
    }
    #expect(!sameParameters(try trained(0), try trained(0.5)))
  }

  @Test func everySampleIsSeenOnceAnEpoch() throws {
    // 7 batches of 13 and one of 9.
    let data = try syntheticData(train: 100)
    var seen: [[Int32]] = []
    var options = options(epochs: 2)
    options.batchSize = 13
    var trainer = Trainer(
      perceptron([20, 3], nil), data: data, options: options,
      loss: { logits, labels in
        seen.append(labels)
        return Losses.softmaxCrossEntropy(logits, labels: labels)
      })
    #expect(trainer.stepsPerEpoch == 8)
    try trainer.run()
    #expect(seen.map(\.count) == [13, 13, 13, 13, 13, 13, 13, 9, 13, 13, 13, 13, 13, 13, 13, 9])
    for epoch in [seen[..<8], seen[8...]] {
      let labels = epoch.flatMap { $0 }
      #expect(labels.sorted() == data.train.labels.sorted())
      #expect(labels != data.train.labels)
    }
    #expect(Array(seen[..<8]) != Array(seen[8...]))
  }

  @Test func clippingBoundsTheSteps() throws {
    let data = try syntheticData()
    var options = options(epochs: 1)
    options.learningRate = LearningRateSchedule(peak: 1)
    options.weightDecay = WeightDecaySchedule(0)
    options.clipNorm = 0.001
    let model = perceptron([20, 24, 3], .b158)
    var trainer = Trainer(model, optimizer: SGD(learningRate: 0), data: data, options: options)
    try trainer.run()
    var moved = 0.0
    for (old, new) in zip(model.parameters(), trainer.model.parameters()) {
      moved += (new.value - old.value).scalars.reduce(0) { $0 + Double($1) * Double($1) }
    }
    // Ten steps, none longer than the norm (but for rounding of the weights).
    #expect(moved.squareRoot() < 0.0101)
    #expect(moved > 0)
  }

  @Test func quantizationWarmupEndsAtFullStrength() throws {
    let data = try syntheticData()
    var options = options(epochs: 2)
    options.quantizationWarmup = QuantizationWarmup(steps: 15)
    var trainer = Trainer(perceptron([20, 24, 3], .b158), data: data, options: options)
    let inputs = data.test.inputs(0..<90, standardization: trainer.standardization)

    let stop = StopAfter(8)
    #expect(try trainer.run(shouldStop: { stop.isDue }) == .interrupted)
    #expect(trainer.model.layers[1].bitLinear?.strength == QuantizationStrength(7.0 / 15))
    #expect(!sameBits(trainer.model(inputs), trainer.model.packed()(inputs)))

    #expect(try trainer.run() == .finished)
    #expect(trainer.model.layers.allSatisfy { $0.bitLinear?.strength == .full })
    #expect(sameBits(trainer.model(inputs), trainer.model.packed()(inputs)))
  }

  @Test func runsGoOnWithoutACheckpointToo() throws {
    let data = try syntheticData()
    var whole = Trainer(perceptron([20, 24, 3], .b158), data: data, options: options(epochs: 2))
    var broken = whole
    try whole.run()
    let stop = StopAfter(13)
    #expect(try broken.run(shouldStop: { stop.isDue }) == .interrupted)
    #expect(broken.progressSummary == "step 13, 1 of 2 epochs")
    #expect(try broken.run() == .finished)
    #expect(sameParameters(broken.model, whole.model))
    #expect(broken.history.withoutTimes == whole.history.withoutTimes)
  }

  @Test func callbacksSeeEachEpoch() throws {
    let data = try syntheticData(train: 60)
    var trainer = Trainer(perceptron([20, 3], .b158), data: data, options: options(epochs: 3))
    var seen: [Int] = []
    try trainer.run(didEndEpoch: { seen.append($0.epochs.count) })
    #expect(seen == [1, 2, 3])
    struct Stop: Error {}
    var other = Trainer(perceptron([20, 3], .b158), data: data, options: options(epochs: 3))
    #expect(throws: Stop.self) { try other.run(didEndEpoch: { _ in throw Stop() }) }
    #expect(other.history.epochs.count == 1)
  }

  @Test func noEpochsLeaveTheModel() throws {
    let model = perceptron([20, 3], .b158)
    var trainer = Trainer(model, data: try syntheticData(), options: options(epochs: 0))
    #expect(try trainer.run() == .finished)
    #expect(sameParameters(trainer.model, model))
    #expect(trainer.history == TrainingHistory())
  }

  @Test func historyIsOneLineOfJSONForEachEpoch() throws {
    var trainer = Trainer(
      perceptron([20, 3], .b158), data: try syntheticData(), options: options(epochs: 3))
    try trainer.run()
    let history = trainer.history
    let lines = history.jsonLines.split(separator: "\n")
    #expect(lines.count == 3)
    for (line, epoch) in zip(lines, history.epochs) {
      let json = try JSONValue(parsing: String(line), source: "line")
      #expect(json["epoch"]?.integerValue == Int64(epoch.epoch))
      #expect(json["train_loss"]?.doubleValue == epoch.trainLoss)
      #expect(json["test_accuracy"]?.doubleValue == epoch.testAccuracy)
      #expect(json["learning_rate"]?.doubleValue == epoch.learningRate)
    }
    let text = history.json.encoded
    #expect(try TrainingHistory(json: JSONValue(parsing: text, source: "text")) == history)
    #expect(!history.losses.isEmpty)
    for broken in [
      "{}", "[]", text.replacing("\"test_loss\"", with: "\"loss\""),
      text.replacing("\"losses\":[[", with: "\"losses\":[[\"x\","),
    ] {
      #expect(try TrainingHistory(json: JSONValue(parsing: broken, source: "text")) == nil)
    }
  }
}
