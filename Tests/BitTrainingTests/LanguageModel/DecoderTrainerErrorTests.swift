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

  /// What a run may differ in.
  enum Change: CaseIterable {
    case steps, batchSize, accumulation, seed, rate, course, decay, clipping, warmup, temperature,
      noTeacher, evaluations, reports, patience, texts, validation, noValidation, length, teacher,
      layers, hidden, family, tying, recipe, frozen, optimizer

    /// What the error says of it.
    var part: String {
      switch self {
      case .steps: "found steps 6, expected 7, as given now"
      case .batchSize: "batch size 2"
      case .accumulation: "batches of a step 1"
      case .seed: "seed 5"
      case .rate: "learning rate"
      case .course: "learning rate"
      case .decay: "weight decay"
      case .clipping: "gradient clipping 1.0, expected none"
      case .warmup: "quantization warm-up 0"
      case .temperature: "distillation 0.25 at 1.0"
      case .noTeacher: "distillation 0.25 at 1.0, expected none"
      case .evaluations: "steps between validations 2"
      case .reports: "steps between reports 2"
      case .patience: "patience none"
      case .texts: "training texts"
      case .validation: "validation texts"
      case .noValidation: "validation texts"
      case .length: "tokens in windows of 16"
      case .teacher: "teacher checksum"
      case .layers: "model's layerCount 2, expected 1"
      case .hidden: "model's hiddenSize 16, expected 32"
      case .family: "model's family llama, expected bitnet"
      case .tying: "model's tiesEmbeddings false"
      case .recipe: "expected float"
      case .frozen: "frozen parameters none"
      case .optimizer: "optimizer"
      }
    }
  }

  private func change(_ setup: inout Setup, _ change: Change) {
    switch change {
    case .steps: setup.options.steps = 7
    case .batchSize: setup.options.batchSize = 4
    case .accumulation: setup.options.accumulation = 2
    case .seed: setup.options.seed = 6
    case .rate: setup.options.learningRate.peak = 2e-2
    case .course: setup.options.learningRate.course = .constant
    case .decay: setup.options.weightDecay = WeightDecaySchedule(0)
    case .clipping: setup.options.clipNorm = nil
    case .warmup: setup.options.quantizationWarmup = QuantizationWarmup(steps: 3)
    case .temperature: setup.options.distillation?.temperature = 2
    case .noTeacher: setup.options.distillation = nil
    case .evaluations: setup.options.evaluationInterval = 3
    case .reports: setup.options.reportInterval = 3
    case .patience: setup.options.patience = 3
    case .texts: setup.documents[0] += "!"
    case .validation: setup.validation?[0] += "!"
    case .noValidation: setup.validation = nil
    case .length: setup.length = 15
    case .teacher: setup.teacher = TinyDecoders.model(nil, seed: 8)
    case .layers: setup.model = TinyDecoders.model(layers: 1)
    case .hidden: setup.model = TinyDecoders.model(hidden: 32)
    case .family: setup.model = TinyDecoders.model(isBitNet: true)
    case .tying: setup.model = TinyDecoders.model(tiesEmbeddings: true)
    case .recipe: setup.model = TinyDecoders.model(nil)
    case .frozen: setup.model.freeze { $0 == "model.norm.weight" }
    case .optimizer: setup.optimizer = AdamW()
    }
  }

  /// The error of an action of a trainer that must fail, in one line that has all of the parts.
  private func expectFailure(
    _ kind: InputError.Kind, _ parts: [String], _ setup: Setup, path: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ body: (inout DecoderTrainer) throws -> Void = { _ in }
  ) {
    do {
      var trainer = try setup.trainer(path)
      try body(&trainer)
      Issue.record("no error", sourceLocation: sourceLocation)
    } catch let error as InputError {
      #expect(error.kind == kind, "\(error)", sourceLocation: sourceLocation)
      for part in parts {
        #expect(
          "\(error)".contains(part), "\(error) has no \(part)", sourceLocation: sourceLocation)
      }
      #expect(!"\(error)".contains("\n"), sourceLocation: sourceLocation)
    } catch {
      Issue.record(error, sourceLocation: sourceLocation)
    }
  }

  /// Writes the checkpoint of two steps.
  private func write(_ path: String) throws {
    var trainer = try Setup().trainer(path)
    let stop = StopAfter(2)
    try trainer.run(shouldStop: { stop.isDue })
  }

  @Test(arguments: Change.allCases)
  func otherRunsAreNotResumed(_ change: Change) throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/checkpoint"
    try write(path)
    var setup = Setup()
    self.change(&setup, change)
    let model = setup.model
    expectFailure(.mismatch, [path, change.part, "as given now"], setup, path: path) { trainer in
      defer { #expect(sameParameters(trainer.model, model) && trainer.stepCount == 0) }
      try trainer.resume()
    }
    // The run that it is goes on.
    var second = try Setup().trainer(path)
    try second.resume()
    #expect(second.stepCount == 2)
  }

  @Test func checkpointsOfOthersAreRefused() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/checkpoint"
    expectFailure(.missing, [path], Setup(), path: path) { try $0.resume() }
    let data = try syntheticData(train: 90)
    var other = Trainer(
      perceptron([20, 12, 3], .b158), data: data, options: TrainingOptions(epochs: 1),
      checkpointPath: path)
    try other.run()
    expectFailure(.mismatch, [path, "expected language model"], Setup(), path: path) {
      try $0.resume()
    }
    try AtomicFile.write("no tensors", to: path)
    expectFailure(.malformed, [path], Setup(), path: path) { try $0.resume() }
  }

  @Test func vocabulariesMustFit() throws {
    var setup = Setup()
    setup.model = TinyDecoders.model(vocabulary: 256)
    setup.teacher = TinyDecoders.model(nil, vocabulary: 256)
    expectFailure(.mismatch, ["tokenizer of 257 tokens", "at most 256"], setup)
    setup = Setup()
    setup.teacher = TinyDecoders.model(nil, vocabulary: 300)
    expectFailure(.mismatch, ["a teacher of 300 tokens", "257"], setup)
    setup.teacher = nil
    expectFailure(.missing, ["no teacher"], setup)
    // A teacher that has no part in the loss is not asked.
    setup = Setup()
    (setup.options.distillation, setup.teacher) = (nil, TinyDecoders.model(nil, vocabulary: 300))
    _ = try setup.trainer()
  }

  @Test func windowsMustFitTheModel() throws {
    var setup = Setup()
    setup.length = 65
    expectFailure(.mismatch, ["windows of 65 tokens", "at most 64"], setup)
  }

  @Test func patienceNeedsValidations() throws {
    var setup = Setup()
    (setup.options.patience, setup.validation) = (2, nil)
    expectFailure(.missing, ["no texts to validate with"], setup)
  }

  @Test(arguments: ["model.layers.1.self_attn.k_proj", "model.layers.0.mlp.up_proj", "model.norm"])
  func layersWithoutNumbersAreNamed(_ name: String) throws {
    var setup = Setup()
    setup.model.updateParameters { parameter, value, _ in
      if parameter == "\(name).weight" { value = Tensor(repeating: .nan, shape: value.shape) }
    }
    // The first validation comes before the first step.
    expectFailure(
      .notFinite, ["validation loss of nan after step 0, first in layer \(name),"], setup
    ) { try $0.run() }
    setup.validation = nil
    expectFailure(.notFinite, ["a loss of nan at step 1, first in layer \(name),"], setup) {
      try $0.run()
    }
  }

  @Test(arguments: [1e30, 3e38] as [Float])
  func hugeRatesEndTheRunAndSpareTheCheckpoint(_ rate: Float) throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/checkpoint"
    var setup = Setup()
    setup.validation = nil
    setup.options.learningRate = LearningRateSchedule(
      peak: rate, course: .constant, warmupSteps: 0)
    try AtomicFile.write("an earlier one", to: path)
    expectFailure(.notFinite, ["at step 2, first in "], setup, path: path) { try $0.run() }
    #expect(try bytes(ofFile: path) == Array("an earlier one".utf8))
  }

  @Test func weightsWithoutNumbersAreNotSaved() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/checkpoint"
    var setup = Setup()
    setup.validation = nil
    // The only element that leaves the finite numbers is one whose gradient is above 1.
    setup.options.learningRate = LearningRateSchedule(
      peak: 3e38, course: .constant, warmupSteps: 0)
    setup.options.weightDecay = WeightDecaySchedule(0.5, end: 1)
    try AtomicFile.write("an earlier one", to: path)
    expectFailure(
      .notFinite, ["NaN or infinity after step 1, first in "], setup, path: path
    ) { try $0.run(checkpointInterval: 1) }
    #expect(try bytes(ofFile: path) == Array("an earlier one".utf8))
  }

  @Test func checkpointsThatCannotBeWrittenLeaveTheEarlierOne() throws {
    let folder = try TemporaryFolder()
    let path = "\(folder.path)/run/checkpoint"
    try FileManager.default.createDirectory(
      atPath: "\(folder.path)/run", withIntermediateDirectories: true)
    try write(path)
    let saved = try bytes(ofFile: path)
    // The folder goes away under the training.
    try FileManager.default.moveItem(
      atPath: "\(folder.path)/run", toPath: "\(folder.path)/moved")
    expectFailure(.missing, [path], Setup(), path: path) { try $0.run() }
    try FileManager.default.moveItem(
      atPath: "\(folder.path)/moved", toPath: "\(folder.path)/run")
    #expect(try bytes(ofFile: path) == saved)
    var other = try Setup().trainer(path)
    try other.resume()
    #expect(try other.run() == .finished)
  }

  @Test func whatClosuresThrowEndsTheRun() throws {
    var trainer = try Setup().trainer()
    #expect(throws: CancellationError.self) {
      try trainer.run(didStep: { _ in throw CancellationError() })
    }
    #expect(trainer.stepCount == 1)
  }
}
