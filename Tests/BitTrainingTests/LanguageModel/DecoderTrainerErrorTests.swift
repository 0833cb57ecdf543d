import BitCore
import BitFiles
import BitNN
import BitTokenizers
import Foundation
import TestSupport
import Testing

@testable import BitTraining

/// What a training of a language model refuses, and what is left of it when it fails.
@Suite struct DecoderTrainerErrorTests {
  /// What a run is made of.
  private struct Setup {
    var model = TinyDecoders.model()
    var documents = TinyDecoders.documents()
    var options = TinyDecoders.options()
    var validation: [String]? = TinyDecoders.documents(2, seed: 9)
    var length = TinyDecoders.length
    var teacher: DecoderModel? = TinyDecoders.model(nil, seed: 7)
    var optimizer: any Optimizer = AdamW(beta2: 0.95, decaysVectors: false)

    init() { options.distillation = .init(share: 0.25) }

    func trainer(_ path: String? = nil) throws -> DecoderTrainer {
      try DecoderTrainer(
        model, optimizer: optimizer,
        training: TokenWindows(
          TinyDecoders.tokens(documents), length: length, seed: options.seed),
        validation: validation.map {
          try ValidationWindows(TinyDecoders.tokens($0), length: length)
        }, options: options, teacher: teacher, checkpointPath: path)
    }
  }

  private static let changes: [(String, @Sendable (inout Setup) -> Void)] = [
    ("found steps 6, expected 7, as given now", { $0.options.steps = 7 }),
    ("batch size 2", { $0.options.batchSize = 4 }),
    ("batches of a step 1", { $0.options.accumulation = 2 }),
    ("seed 5", { $0.options.seed = 6 }),
    ("learning rate", { $0.options.learningRate.peak = 2e-2 }),
    ("learning rate", { $0.options.learningRate.course = .constant }),
    ("weight decay", { $0.options.weightDecay = WeightDecaySchedule(0) }),
    ("gradient clipping 1.0, expected none", { $0.options.clipNorm = nil }),
    ("quantization warm-up 0", { $0.options.quantizationWarmup = QuantizationWarmup(steps: 3) }),
    ("distillation 0.25 at 1.0", { $0.options.distillation?.temperature = 2 }),
    ("distillation 0.25 at 1.0, expected none", { $0.options.distillation = nil }),
    ("steps between validations 2", { $0.options.evaluationInterval = 3 }),
    ("steps between reports 2", { $0.options.reportInterval = 3 }),
    ("patience none", { $0.options.patience = 3 }),
    ("training texts", { $0.documents[0] += "!" }),
    ("validation texts", { $0.validation?[0] += "!" }),
    ("validation texts", { $0.validation = nil }),
    ("tokens in windows of 16", { $0.length = 15 }),
    ("teacher checksum", { $0.teacher = TinyDecoders.model(nil, seed: 8) }),
    ("model's layerCount 2, expected 1", { $0.model = TinyDecoders.model(layers: 1) }),
    ("model's hiddenSize 16, expected 32", { $0.model = TinyDecoders.model(hidden: 32) }),
    ("model's family llama, expected bitnet", { $0.model = TinyDecoders.model(isBitNet: true) }),
    ("model's tiesEmbeddings false", { $0.model = TinyDecoders.model(tiesEmbeddings: true) }),
    ("expected float", { $0.model = TinyDecoders.model(nil) }),
    ("frozen parameters none", { $0.model.freeze { $0 == "model.norm.weight" } }),
    ("optimizer", { $0.optimizer = AdamW() }),
  ]

  @Test(arguments: changes.indices)
  func otherRunsAreNotResumed(_ index: Int) throws {
    let (part, change) = Self.changes[index]
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      var first = try Setup().trainer(path)
      let stop = StopAfter(2)
      try first.run(shouldStop: { stop.isDue })
      var setup = Setup()
      change(&setup)
      var other = try setup.trainer(path)
      expectError(.mismatch, path, part, "as given now") { try other.resume() }
      #expect(sameParameters(other.model, setup.model) && other.stepCount == 0)
      // The run that it is goes on.
      var second = try Setup().trainer(path)
      try second.resume()
      #expect(second.stepCount == 2)
    }
  }

  @Test func checkpointsOfOthersAreRefused() throws {
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      var trainer = try Setup().trainer(path)
      expectError(.missing, path) { try trainer.resume() }
      let data = try syntheticData(train: 90)
      var other = Trainer(
        perceptron([20, 12, 3], .b158), data: data, options: TrainingOptions(epochs: 1),
        checkpointPath: path)
      try other.run()
      expectError(.mismatch, path, "expected language model") { try trainer.resume() }
      try AtomicFile.write("no tensors", to: path)
      #expect(throws: InputError.self) { try trainer.resume() }
      #expect(trainer.stepCount == 0)
    }
  }

  @Test func vocabulariesMustFit() {
    var setup = Setup()
    setup.model = TinyDecoders.model(vocabulary: 256)
    setup.teacher = TinyDecoders.model(nil, vocabulary: 256)
    expectError(.mismatch, "tokenizer of 257 tokens", "at most 256") { _ = try setup.trainer() }
    setup = Setup()
    setup.teacher = TinyDecoders.model(nil, vocabulary: 300)
    expectError(.mismatch, "a teacher of 300 tokens", "257") { _ = try setup.trainer() }
    setup.teacher = nil
    expectError(.missing, "no teacher") { _ = try setup.trainer() }
    // A teacher whose part in the loss is none is not asked.
    setup = Setup()
    (setup.options.distillation, setup.teacher) = (nil, TinyDecoders.model(nil, vocabulary: 300))
    #expect(throws: Never.self) { _ = try setup.trainer() }
  }

  @Test func layersWithoutNumbersAreNamed() throws {
    for name in ["model.layers.1.self_attn.k_proj", "model.layers.0.mlp.up_proj", "model.norm"] {
      var setup = Setup()
      setup.model.updateParameters { parameter, value, _ in
        if parameter == "\(name).weight" { value = Tensor(repeating: .nan, shape: value.shape) }
      }
      var trainer = try setup.trainer()
      // The first validation comes before the first step.
      expectError(.notFinite, "validation loss", "after step 0", "first in layer \(name)") {
        try trainer.run()
      }
      setup.validation = nil
      trainer = try setup.trainer()
      expectError(.notFinite, "loss", "at step 1", "first in layer \(name)") { try trainer.run() }
    }
  }

  @Test(arguments: [1e30, 3e38] as [Float])
  func hugeRatesEndTheRunAndSpareTheCheckpoint(_ rate: Float) throws {
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      var setup = Setup()
      setup.validation = nil
      // Three harmless steps, whose checkpoints are written, and then one too far.
      setup.options.learningRate = LearningRateSchedule(
        peak: rate, course: .constant, warmupSteps: 0)
      try AtomicFile.write("an earlier one", to: path)
      var trainer = try setup.trainer(path)
      let error = #expect(throws: InputError.self) { try trainer.run() }
      let text = error?.description ?? ""
      #expect(error?.kind == .notFinite && text.contains("step 2, first in "), "\(text)")
      #expect(text.contains("layer ") || text.contains("gradient of "), "\(text)")
      #expect(try bytes(ofFile: path) == Array("an earlier one".utf8))
    }
  }

  @Test func weightsWithoutNumbersAreNotSaved() throws {
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      var setup = Setup()
      setup.validation = nil
      setup.options.learningRate = LearningRateSchedule(
        peak: 3e38, course: .constant, warmupSteps: 0)
      setup.options.clipNorm = nil
      setup.optimizer = SGD(learningRate: 0)
      // Gradients above 1 times this rate are infinite.
      setup.model.updateParameters { name, value, _ in
        if name == "model.embed_tokens.weight" { value = value * 1e-3 }
      }
      try AtomicFile.write("an earlier one", to: path)
      var trainer = try setup.trainer(path)
      expectError(.notFinite, "NaN or infinity after step 1, first in ") {
        try trainer.run(checkpointInterval: 1)
      }
      #expect(try bytes(ofFile: path) == Array("an earlier one".utf8))
    }
  }

  @Test func checkpointsThatCannotBeWrittenLeaveTheEarlierOne() throws {
    try withFolder { folder in
      let path = "\(folder)/run/checkpoint"
      try FileManager.default.createDirectory(
        atPath: "\(folder)/run", withIntermediateDirectories: true)
      var trainer = try Setup().trainer(path)
      let stop = StopAfter(2)
      try trainer.run(shouldStop: { stop.isDue })
      let saved = try bytes(ofFile: path)
      // The folder goes away under it.
      try FileManager.default.moveItem(atPath: "\(folder)/run", toPath: "\(folder)/moved")
      expectError(.missing, path) { try trainer.run() }
      try FileManager.default.moveItem(atPath: "\(folder)/moved", toPath: "\(folder)/run")
      #expect(try bytes(ofFile: path) == saved)
      var other = try Setup().trainer(path)
      try other.resume()
      #expect(try other.run() == .finished)
    }
  }

  @Test func whatClosuresThrowEndsTheRun() throws {
    struct Stop: Error {}
    var trainer = try Setup().trainer()
    #expect(throws: Stop.self) { try trainer.run(didStep: { _ in throw Stop() }) }
    #expect(trainer.stepCount == 1)
    #expect(throws: Stop.self) { try trainer.run(didValidate: { _ in throw Stop() }) }
    #expect(trainer.stepCount == 2)
  }
}
