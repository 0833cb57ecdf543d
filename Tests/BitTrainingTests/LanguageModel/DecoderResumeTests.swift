import BitCore
import BitFormats
import BitNN
import Foundation
import TestSupport
import Testing

@testable import BitTraining

/// A training of a language model that was interrupted anywhere goes on to exactly the model of an
/// unbroken run.
@Suite struct DecoderResumeTests {
  /// Kinds of training, each with other things that a checkpoint must carry.
  enum Kind: String, CaseIterable, Sendable {
    /// Ternary, quantization that grows over most of the run, clipping.
    case warmup
    /// A teacher, and several batches a step.
    case distilled
    /// The family bitnet with an embedding that is the output layer, and a frozen norm.
    case bitnet
    /// Float layers with activations that are computed twice, early stop in reach.
    case float
  }

  private static func trainer(_ kind: Kind, checkpoint: String?) throws -> DecoderTrainer {
    var model = TinyDecoders.model(
      kind == .float ? nil : .b158WithoutNorm, isBitNet: kind == .bitnet,
      tiesEmbeddings: kind == .bitnet)
    var options = TinyDecoders.options()
    var teacher: DecoderModel?
    switch kind {
    case .warmup:
      options.quantizationWarmup = QuantizationWarmup(steps: 5)
      options.clipNorm = 0.5
    case .distilled:
      options.distillation = .init(share: 0.5, temperature: 2)
      options.accumulation = 2
      teacher = TinyDecoders.model(nil, seed: 7)
    case .bitnet:
      model.freeze { $0 == "model.norm.weight" }
      options.learningRate.course = .cosine(final: 0.1)
    case .float:
      model.checkpointsActivations = true
      options.patience = 2
      options.reportInterval = 4
    }
    return try DecoderTrainer(
      model, training: TinyDecoders.windows(TinyDecoders.tokens(TinyDecoders.documents())),
      validation: TinyDecoders.validation(), options: options, teacher: teacher,
      checkpointPath: checkpoint)
  }

  private func expectSame(
    _ a: DecoderTrainer, _ b: DecoderTrainer, _ comment: Comment,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(sameParameters(a.model, b.model), comment, sourceLocation: sourceLocation)
    #expect(
      a.history.withoutTimes == b.history.withoutTimes, comment, sourceLocation: sourceLocation)
    #expect(a.stepCount == b.stepCount, comment, sourceLocation: sourceLocation)
    let layers = [a, b].map { $0.model.layers.map(\.attention.queryProjection.bitLinear?.strength) }
    #expect(layers[0] == layers[1], comment, sourceLocation: sourceLocation)
  }

  private func expectSameTensors(_ path: String, _ other: String, _ comment: Comment) throws {
    let files = try [path, other].map { (path) in try SafetensorsFile(path: path) }
    #expect(files[0].tensors.map(\.name) == files[1].tensors.map(\.name), comment)
    for tensor in files[0].tensors {
      let bytes = try files.map { file in
        try file.withUnsafeBytes(of: tensor.name) { Array($0) }
      }
      #expect(bytes[0] == bytes[1], "\(tensor.name) \(comment)")
    }
  }

  @Test(arguments: Kind.allCases)
  func interruptionAfterAnyStep(_ kind: Kind) throws {
    try withFolder { folder in
      let (path, other) = ("\(folder)/whole", "\(folder)/broken")
      var whole = try Self.trainer(kind, checkpoint: path)
      #expect(try whole.run(didValidate: { "after \($0.stepCount)" }) == .finished)
      #expect(whole.history.points.map(\.step) == (kind == .float ? [4, 6] : [2, 4, 6]))
      #expect(whole.history.validations.map(\.step) == [0, 2, 4, 6])
      #expect(whole.history.samples.map(\.text) == [0, 2, 4, 6].map { "after \($0)" })
      for step in 1..<whole.options.steps {
        var first = try Self.trainer(kind, checkpoint: other)
        let stop = StopAfter(step)
        let outcome = try first.run(
          didValidate: { "after \($0.stepCount)" }, shouldStop: { stop.isDue })
        #expect(outcome == .interrupted && first.stepCount == step)
        var second = try Self.trainer(kind, checkpoint: other)
        try second.resume()
        expectSame(second, first, "at step \(step)")
        #expect(second.position == first.position)
        #expect(try second.run(didValidate: { "after \($0.stepCount)" }) == .finished)
        expectSame(second, whole, "from step \(step)")
        try expectSameTensors(path, other, "from step \(step)")
      }
    }
  }

  @Test(arguments: Kind.allCases)
  func interruptionAfterEveryStep(_ kind: Kind) throws {
    try withFolder { folder in
      var whole = try Self.trainer(kind, checkpoint: nil)
      try whole.run()
      let path = "\(folder)/checkpoint"
      var trainer = whole
      var (outcome, runs) = (DecoderTrainer.Outcome.interrupted, 0)
      while outcome == .interrupted, runs < 20 {
        trainer = try Self.trainer(kind, checkpoint: path)
        if runs > 0 { try trainer.resume() }
        outcome = try trainer.run(shouldStop: { true })
        runs += 1
      }
      #expect(runs == whole.options.steps)
      expectSame(trainer, whole, "after \(runs) runs")
    }
  }

  /// A run that was killed between two checkpoints goes on from the first of them.
  @Test(arguments: Kind.allCases)
  func killedRunsGoOn(_ kind: Kind) throws {
    try withFolder { folder in
      let (path, other) = ("\(folder)/run", "\(folder)/killed")
      var files: [[UInt8]] = []
      var whole = try Self.trainer(kind, checkpoint: path)
      try whole.run(
        checkpointInterval: 2,
        didStep: { _ in
          // What is on disk in the middle of the run.
          if let file = try? bytes(ofFile: path), file != files.last { files.append(file) }
        })
      #expect(files.count == 2)
      for file in files {
        try Data(file).write(to: URL(fileURLWithPath: other))
        var trainer = try Self.trainer(kind, checkpoint: other)
        try trainer.resume()
        #expect(try trainer.run() == .finished)
        expectSame(trainer, whole, "from a checkpoint")
      }
    }
  }

  @Test(arguments: Kind.allCases)
  func finishedRunsStayAsTheyAre(_ kind: Kind) throws {
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      var whole = try Self.trainer(kind, checkpoint: path)
      try whole.run()
      let file = try bytes(ofFile: path)
      var again = try Self.trainer(kind, checkpoint: path)
      try again.resume()
      #expect(again.history == whole.history)
      #expect(try again.run(shouldStop: { true }) == .finished)
      expectSame(again, whole, "run again")
      #expect(try bytes(ofFile: path) == file)
    }
  }
}
