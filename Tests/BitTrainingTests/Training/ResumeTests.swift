import BitCore
import BitFormats
@testable import BitTraining
import Foundation
import TestSupport
import Testing
import _Differentiation

import BitNN

/// A run that was interrupted anywhere goes on to exactly the model of an unbroken run.
@Suite struct ResumeTests {
  /// Kinds of training, each with other things that a checkpoint must carry.
  enum Kind: String, CaseIterable, Sendable {
    /// AdamW, ternary, quantization warm-up over more than an epoch, clipping, decay that ends.
    case warmup
    /// SGD with momentum, dropout, a bias, float.
    case dropout
    /// AdamW, one bit in groups, dropout, two stages with a warm-up, a learned norm beside.
    case bitnet
    /// AdamW with decay, ternary, a frozen weight and a frozen bias.
    case frozen
  }

  struct Model: Layer {
    var norm: LayerNorm?
    var pair: Pair<Linear>

    @differentiable(reverse)
    func callAsFunction(_ input: Tensor) -> Tensor {
      if let norm { return pair(norm(input)) }
      return pair(input)
    }

    mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
      visit("norm", &norm, gradient?.norm)
      visit("pair", &pair, gradient?.pair)
    }
  }

  private static func trainer(
    _ kind: Kind, _ data: TrainTestData, checkpoint: String?
  ) -> Trainer<Model> {
    var generator = SeededGenerator(seed: 6)
    let pair = Pair(
      Linear(20, 12, using: &generator), Linear(12, 3, using: &generator),
      dropout: kind == .warmup ? 0 : 0.25)
    var model = Model(norm: kind == .bitnet ? LayerNorm(20) : nil, pair: pair)
    // 9 steps of 25 samples, but for the last of 10; three epochs pass a point of the history.
    var options = TrainingOptions(epochs: 3, batchSize: 25, seed: 8)
    var optimizer: any Optimizer = AdamW()
    switch kind {
    case .warmup:
      model = model.quantized(.b158)
      options.quantizationWarmup = QuantizationWarmup(steps: 14)
      options.clipNorm = 0.5
      options.weightDecay = WeightDecaySchedule(0.1, end: 0.5)
    case .dropout:
      options.learningRate = LearningRateSchedule(peak: 0.02)
      optimizer = SGD(learningRate: 0, momentum: 0.9, usesNesterov: true)
    case .frozen:
      model = model.quantized(.b158)
      model.freeze { ["pair.first.weight", "pair.second.bias"].contains($0) }
      options.weightDecay = WeightDecaySchedule(0.1)
    case .bitnet:
      model = model.quantized(.bitnet, groups: 3)
      options.learningRate = LearningRateSchedule(peak: 0.01, course: .twoStage(), warmupSteps: 5)
    }
    return Trainer(
      model, optimizer: optimizer, data: data, options: options, checkpointPath: checkpoint)
  }

  private static func data() throws -> TrainTestData { try syntheticData(train: 210, test: 30) }

  private static let steps = 27

  private func expectSame(
    _ a: Trainer<Model>, _ b: Trainer<Model>, _ comment: Comment,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(sameParameters(a.model, b.model), comment, sourceLocation: sourceLocation)
    #expect(
      a.history.withoutTimes == b.history.withoutTimes, comment, sourceLocation: sourceLocation)
    #expect(
      a.model.pair.first.bitLinear?.strength == b.model.pair.first.bitLinear?.strength, comment,
      sourceLocation: sourceLocation)
  }

  @Test(arguments: Kind.allCases)
  func interruptionAfterAnyStep(_ kind: Kind) throws {
    let data = try Self.data()
    try withFolder { folder in
      let (path, other) = ("\(folder)/whole", "\(folder)/broken")
      var whole = Self.trainer(kind, data, checkpoint: path)
      #expect(whole.stepsPerEpoch * whole.options.epochs == Self.steps)
      #expect(try whole.run() == .finished)
      #expect(whole.history.losses.count == 1)
      let final = try SafetensorsFile(path: path)
      for step in 1...Self.steps {
        var first = Self.trainer(kind, data, checkpoint: other)
        let stop = StopAfter(step)
        #expect(try first.run(shouldStop: { stop.isDue }) == .interrupted)
        var second = Self.trainer(kind, data, checkpoint: other)
        try second.resume()
        expectSame(second, first, "at step \(step)")
        #expect(second.progressSummary == first.progressSummary)
        #expect(try second.run() == .finished)
        expectSame(second, whole, "from step \(step)")
        // The optimizer and the random numbers are those of the unbroken run, too.
        let file = try SafetensorsFile(path: other)
        #expect(file.tensors.map(\.name) == final.tensors.map(\.name))
        for tensor in final.tensors {
          let (a, b) = (
            try file.withUnsafeBytes(of: tensor.name) { Array($0) },
            try final.withUnsafeBytes(of: tensor.name) { Array($0) }
          )
          #expect(a == b, "\(tensor.name) from step \(step)")
        }
      }
    }
  }

  @Test(arguments: Kind.allCases)
  func interruptionAfterEveryStep(_ kind: Kind) throws {
    let data = try Self.data()
    try withFolder { folder in
      var whole = Self.trainer(kind, data, checkpoint: nil)
      try whole.run()
      let path = "\(folder)/checkpoint"
      var outcome = Trainer<Model>.Outcome.interrupted
      var runs = 0
      var trainer = whole
      while outcome == .interrupted {
        trainer = Self.trainer(kind, data, checkpoint: path)
        if runs > 0 { try trainer.resume() }
        outcome = try trainer.run(shouldStop: { true })
        runs += 1
      }
      #expect(runs == Self.steps + 1)
      expectSame(trainer, whole, "after \(runs) runs")
    }
  }

  /// A run that was killed between two checkpoints goes on from the first of them.
  @Test(arguments: [1, 4], Kind.allCases)
  func checkpointsWithinAnEpoch(_ interval: Int, _ kind: Kind) throws {
    let data = try Self.data()
    try withFolder { folder in
      let (path, other) = ("\(folder)/run", "\(folder)/killed")
      var files: [[UInt8]] = []
      var whole = Self.trainer(kind, data, checkpoint: path)
      try whole.run(
        checkpointInterval: interval,
        shouldStop: {
          // What is on disk in the middle of the run.
          if let file = try? bytes(ofFile: path), file != files.last { files.append(file) }
          return false
        })
      var plain = Self.trainer(kind, data, checkpoint: nil)
      try plain.run()
      expectSame(plain, whole, "checkpoints change nothing")
      #expect(files.count >= Self.steps / interval - 1)
      for file in files {
        try Data(file).write(to: URL(fileURLWithPath: other))
        var trainer = Self.trainer(kind, data, checkpoint: other)
        try trainer.resume()
        #expect(try trainer.run() == .finished)
        expectSame(trainer, whole, "from \(trainer.progressSummary)")
      }
    }
  }

  @Test(arguments: Kind.allCases)
  func finishedRunsStayAsTheyAre(_ kind: Kind) throws {
    let data = try Self.data()
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      var whole = Self.trainer(kind, data, checkpoint: path)
      try whole.run()
      let file = try bytes(ofFile: path)
      var again = Self.trainer(kind, data, checkpoint: path)
      try again.resume()
      expectSame(again, whole, "resumed")
      #expect(again.history == whole.history)
      var stops = 0
      let outcome = try again.run(shouldStop: {
        stops += 1
        return true
      })
      #expect(outcome == .finished)
      #expect(stops == 0)
      expectSame(again, whole, "run again")
      #expect(try bytes(ofFile: path) == file)
    }
  }
}
