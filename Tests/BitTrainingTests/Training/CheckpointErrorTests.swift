import BitCore
import BitFormats
import BitFiles
@testable import BitTraining
import Foundation
import TestSupport
import Testing

import BitNN

/// Checkpoints that do not fit or are broken: an error, and the trainer is as before.
@Suite struct CheckpointErrorTests {
  private typealias Network = MultilayerPerceptron<Linear>

  private struct Setup {
    var model = perceptron([20, 12, 3], .b158)
    var optimizer: any Optimizer = AdamW()
    var options = TrainingOptions(epochs: 2, batchSize: 30, seed: 1, clipNorm: 2)
    var architecture = String(describing: Network.self)
    var samples = 90
    var data: TrainTestData?

    func trainer(_ path: String) throws -> Trainer<Network> {
      Trainer(
        model, optimizer: optimizer, data: try data ?? syntheticData(train: samples, test: 12),
        options: options, checkpointPath: path, architecture: architecture)
    }
  }

  /// Writes a checkpoint in the middle of the second epoch.
  private func write(_ path: String) throws {
    var trainer = try Setup().trainer(path)
    let stop = StopAfter(5)
    try trainer.run(shouldStop: { stop.isDue })
  }

  /// Resuming from the file must fail, with a message of these parts, and change nothing.
  private func refuses(
    _ path: String, _ kind: InputError.Kind?, _ parts: [String] = [], by setup: Setup = Setup(),
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    // A trainer under way, so that one that was reset would show.
    let own = "\(path).own"
    var trainer = try setup.trainer(own)
    let stop = StopAfter(4)
    try trainer.run(shouldStop: { stop.isDue })
    try Data(bytes(ofFile: path)).write(to: URL(fileURLWithPath: own))
    var twin = trainer
    let error = #expect(throws: InputError.self, sourceLocation: sourceLocation) {
      try trainer.resume()
    }
    if let kind {
      #expect(error?.kind == kind, "\(error?.description ?? "")", sourceLocation: sourceLocation)
    }
    for part in parts + [own] {
      #expect(
        error?.description.contains(part) == true, "\(error?.description ?? "") has no \(part)",
        sourceLocation: sourceLocation)
    }
    #expect(sameParameters(trainer.model, twin.model), sourceLocation: sourceLocation)
    #expect(trainer.history == twin.history, sourceLocation: sourceLocation)
    #expect(trainer.progressSummary == twin.progressSummary, sourceLocation: sourceLocation)
    // It goes on as if nothing had been tried.
    try trainer.run(shouldStop: { true })
    try twin.run(shouldStop: { true })
    #expect(sameParameters(trainer.model, twin.model), sourceLocation: sourceLocation)
  }

  @Test func theCheckpointItselfIsSound() throws {
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      try write(path)
      var trainer = try Setup().trainer(path)
      try trainer.resume()
      #expect(trainer.progressSummary == "step 5, 1 of 2 epochs")
    }
  }

  @Test func otherOptions() throws {
    let changes: [(String, (inout TrainingOptions) -> Void)] = [
      ("epochs 2", { $0.epochs = 3 }), ("batch size 30", { $0.batchSize = 31 }),
      ("seed 1", { $0.seed = 2 }), ("learning rate", { $0.learningRate.peak = 0.5 }),
      ("learning rate", { $0.learningRate.course = .constant }),
      ("learning rate", { $0.learningRate.warmupSteps = 1 }),
      ("weight decay", { $0.weightDecay.end = 0.5 }),
      ("weight decay", { $0.weightDecay.strength = 0 }),
      ("gradient clipping 2.0", { $0.clipNorm = nil }),
      ("quantization warm-up 0", { $0.quantizationWarmup.steps = 3 }),
    ]
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      try write(path)
      for (part, change) in changes {
        var setup = Setup()
        change(&setup.options)
        try refuses(path, .mismatch, [part, "as given now"], by: setup)
      }
    }
  }

  @Test func otherModelsOptimizersAndData() throws {
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      try write(path)
      func refuses(_ part: String, _ change: (inout Setup) -> Void) throws {
        var setup = Setup()
        change(&setup)
        try self.refuses(path, .mismatch, [part], by: setup)
      }
      try refuses("architecture MultilayerPerceptron<Linear>") { $0.architecture = "another" }
      try refuses("layer layers.0") { $0.model = perceptron([20, 12, 3], .bitnet) }
      try refuses("layer layers.0") { $0.model = perceptron([20, 12, 3], .b158, groups: 3) }
      try refuses("layer layers.0") { $0.model = perceptron([20, 12, 3], nil) }
      try refuses("layer layers.2 unknown") { $0.model = perceptron([20, 12, 12, 3], .b158) }
      try refuses("layers.0.weight") { $0.model = perceptron([20, 13, 3], .b158) }
      try refuses("optimizer AdamW") { $0.optimizer = SGD(learningRate: 1, momentum: 0.9) }
      try refuses("optimizer AdamW") { $0.optimizer = AdamW(beta2: 0.95) }
      try refuses("90 samples") { $0.samples = 89 }
    }
  }

  /// Data of the same size with another label or another value.
  @Test func otherSamplesAndLabels() throws {
    let data = try syntheticData(train: 90, test: 12)
    func changed(_ set: LabeledDataset, label: Int? = nil, value: Int? = nil) throws
      -> LabeledDataset
    {
      var labels = set.labels
      if let label { labels[label] = (labels[label] + 1) % 3 }
      var values = set.inputs(
        0..<set.count, standardization: Standardization(mean: 0, deviation: 1)
      ).scalars
      if let value { values[value].negate() }
      return try LabeledDataset(
        name: set.name, values: values, sampleShape: set.sampleShape, labels: labels, classCount: 3)
    }
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      try write(path)
      func setup(_ train: LabeledDataset, _ test: LabeledDataset) throws -> Setup {
        Setup(data: try TrainTestData(train: train, test: test))
      }
      let parts = ["samples of 20 features, checksum", "as given now"]
      try refuses(
        path, .mismatch, ["found training data 90"] + parts,
        by: setup(changed(data.train, label: 89), data.test))
      try refuses(
        path, .mismatch, ["found training data 90"] + parts,
        by: setup(changed(data.train, value: 1_799), data.test))
      try refuses(
        path, .mismatch, ["found test data 12"] + parts,
        by: setup(data.train, changed(data.test, label: 0)))
      // The same data made anew are the same.
      var trainer = try setup(changed(data.train), changed(data.test)).trainer(path)
      try trainer.resume()
    }
  }

  @Test func otherFrozenParameters() throws {
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      try write(path)
      var setup = Setup()
      setup.model.freeze { $0 == "layers.1.weight" }
      try refuses(
        path, .mismatch, ["found frozen parameters none, expected layers.1.weight, as given now"],
        by: setup)
    }
  }

  @Test func versionsOfTheProgramAreNamed() throws {
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      try write(path)
      try edit(path) { _, metadata in metadata["bitlinear.checkpoint"] = "1" }
      try refuses(path, .unsupported, ["found a checkpoint of version 1, expected version 2"])
    }
  }

  @Test func tensorsThatAreMissingOrLeftOver() throws {
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      func refuses(
        _ kind: InputError.Kind, _ part: String, _ change: (inout [RawTensor]) -> Void
      ) throws {
        try write(path)
        try edit(path) { tensors, _ in change(&tensors) }
        try self.refuses(path, kind, [part])
      }
      try refuses(.missing, "model.layers.1.weight") { tensors in
        tensors.removeAll { $0.name == "model.layers.1.weight" }
      }
      try refuses(.missing, "random") { tensors in tensors.removeAll { $0.name == "random" } }
      try refuses(.mismatch, "model.layers.2.weight") { tensors in
        var extra = tensors["model.layers.1.weight"]
        extra.name = "model.layers.2.weight"
        tensors.append(extra)
      }
      try refuses(.mismatch, "model.layers.1.weight") {
        $0["model.layers.1.weight"].shape = [12, 3]
      }
      try refuses(.mismatch, "optimizer.layers.1.weight.mean") {
        $0["optimizer.layers.1.weight.mean"].shape = [12, 3]
      }
      try refuses(.mismatch, "optimizer.layers.7.weight.mean") {
        $0["optimizer.layers.1.weight.mean"].name = "optimizer.layers.7.weight.mean"
      }
      try refuses(.mismatch, "random") { $0["random"].dtype = .f64 }
      try refuses(.malformed, "position") { tensors in
        tensors["random"].bytes = [UInt8](repeating: 0, count: 32)
      }
      try refuses(.malformed, "position") { tensors in
        tensors["random"].bytes = [UInt8](repeating: 1, count: 24)
        tensors["random"].shape = [3]
      }
    }
  }

  /// Metadata with numbers that no run can have; some would overflow when the run goes on.
  @Test(arguments: [
    ("bitlinear.position", "step", "9223372036854775807"),
    ("bitlinear.position", "step", "-1"), ("bitlinear.position", "step", "4"),
    ("bitlinear.position", "step", "5.0"), ("bitlinear.position", "epoch", "3"),
    ("bitlinear.position", "epoch", "0"), ("bitlinear.position", "batch", "4"),
    ("bitlinear.position", "batch", "9007199254740992"),
    ("bitlinear.position", "samples", "9223372036854775807"),
    ("bitlinear.position", "samples", "91"), ("bitlinear.position", "correct", "61"),
    ("bitlinear.position", "correct", "9223372036854775807"),
    ("bitlinear.position", "recent_steps", "9223372036854775807"),
    ("bitlinear.position", "loss_sum", "null"), ("bitlinear.position", "seconds", "\"long\""),
    ("bitlinear.position", "recent_loss", "[]"),
    ("bitlinear.history", "losses", "[[1]]"), ("bitlinear.history", "epochs", "[{}]"),
    ("bitlinear.history", "epochs", "7"), ("bitlinear.conditions", "seed", "7"),
    ("bitlinear.conditions", "color", "\"red\""),
  ])
  func impossibleMembers(_ key: String, _ member: String, _ value: String) throws {
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      try write(path)
      try edit(path) { _, metadata in
        var json = try JSONValue(parsing: #require(metadata[key]), source: key).objectValue ?? [:]
        json[member] = try JSONValue(parsing: value, source: value)
        metadata[key] = JSONValue.object(json).encoded
      }
      try refuses(path, nil)
    }
  }

  @Test(
    arguments: [
      ("bitlinear.position", "{"), ("bitlinear.position", "[]"), ("bitlinear.position", nil),
      ("bitlinear.history", ""), ("bitlinear.history", "null"), ("bitlinear.history", nil),
      ("bitlinear.conditions", "7"), ("bitlinear.conditions", nil),
      ("bitlinear.optimizer_step", "-1"), ("bitlinear.optimizer_step", "many"),
      ("bitlinear.optimizer_step", "9223372036854775807"), ("bitlinear.optimizer_step", nil),
      ("bitlinear.checkpoint", "1"), ("bitlinear.checkpoint", "3"), ("bitlinear.checkpoint", nil),
      ("bitlinear.architecture", nil),
    ] as [(String, String?)])
  func impossibleMetadata(_ key: String, _ text: String?) throws {
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      try write(path)
      try edit(path) { _, metadata in metadata[key] = text }
      try refuses(path, nil)
    }
  }

  @Test func filesThatAreCut() throws {
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      try write(path)
      let whole = try bytes(ofFile: path)
      var trainer = try Setup().trainer(path)
      let before = trainer
      let places = Array(stride(from: 0, to: whole.count, by: 101)) + [whole.count - 1]
      for place in places {
        try Data(whole[..<place]).write(to: URL(fileURLWithPath: path))
        expectError(.malformed, path) { try trainer.resume() }
        #expect(sameParameters(trainer.model, before.model))
        #expect(trainer.progressSummary == before.progressSummary)
      }
      try Data(whole + [0]).write(to: URL(fileURLWithPath: path))
      expectError(.malformed, path) { try trainer.resume() }
    }
  }

  @Test func damagedTensorsAreNoticed() throws {
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      try write(path)
      let whole = try bytes(ofFile: path)
      let header = whole[..<8].enumerated().reduce(0) { $0 + Int($1.element) << (8 * $1.offset) }
      for place in stride(from: header + 8, to: whole.count, by: 97) {
        var changed = whole
        changed[place] ^= 1
        try Data(changed).write(to: URL(fileURLWithPath: path))
        try refuses(path, .malformed, ["checksum"])
      }
      try write(path)
      try edit(path) { tensors, _ in
        tensors.removeAll { $0.name == "optimizer.layers.1.weight.mean" }
      }
      try refuses(path, .malformed, ["checksum"])
    }
  }

  /// A changed byte of the header is an error, or a run that goes on: never the end of the process.
  @Test func bytesThatAreChanged() throws {
    try withFolder { folder in
      let path = "\(folder)/checkpoint"
      try write(path)
      let whole = try bytes(ofFile: path)
      let header = whole[..<8].enumerated().reduce(0) { $0 + Int($1.element) << (8 * $1.offset) }
      let before = try Setup().trainer(path)
      var refused = 0
      for place in stride(from: 0, to: header + 8, by: 13) {
        var changed = whole
        changed[place] ^= 0x15
        try Data(changed).write(to: URL(fileURLWithPath: path))
        var trainer = before
        do {
          try trainer.resume()
          try trainer.run(shouldStop: { true })
        } catch let error as InputError {
          refused += 1
          #expect(error.kind == .notFinite || error.description.contains(path))
          #expect(sameParameters(trainer.model, before.model) || error.kind == .notFinite)
        }
      }
      #expect(refused > header / 26)
    }
  }

  @Test func noCheckpoint() throws {
    try withFolder { folder in
      var trainer = try Setup().trainer("\(folder)/none")
      expectError(.missing, "\(folder)/none") { try trainer.resume() }
      var other = try Setup().trainer(folder)
      expectError(.inputOutput, folder) { try other.resume() }
      try Data("not a checkpoint".utf8).write(to: URL(fileURLWithPath: "\(folder)/text"))
      var third = try Setup().trainer("\(folder)/text")
      expectError(.malformed, "\(folder)/text") { try third.resume() }
      // A model file is no checkpoint.
      try Setup().model.save(to: "\(folder)/model")
      var fourth = try Setup().trainer("\(folder)/model")
      expectError(.unsupported, "\(folder)/model", "not a checkpoint") { try fourth.resume() }
    }
  }

  @Test func checkpointsThatCannotBeWritten() throws {
    try withFolder { folder in
      var trainer = try Setup().trainer(folder)
      expectError(.inputOutput, folder) { try trainer.run() }
      let inner = "\(folder)/inner"
      try FileManager.default.createDirectory(atPath: inner, withIntermediateDirectories: true)
      var other = try Setup().trainer("\(inner)/checkpoint")
      expectError(.missing, "\(inner)/checkpoint") {
        try other.run(
          checkpointInterval: 1,
          didEndEpoch: { _ in try FileManager.default.removeItem(atPath: inner) })
      }
      #expect(other.progressSummary == "step 4, 1 of 2 epochs")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == [])
    }
  }
}
