import BitCore
import BitFormats

/// Where a training run stands, besides the model and the optimizer.
struct TrainingPosition: Sendable, Equatable {
  /// Steps taken.
  var step = 0
  /// The epoch under way, from 0.
  var epoch = 0
  /// Batches of that epoch that are done.
  var batch = 0
  /// The generator as it was at the start of the epoch.
  var generator: SeededGenerator
  /// Sums over the epoch so far: loss times samples, samples recognised, samples, seconds.
  var lossSum = 0.0
  var correct = 0
  var samples = 0
  var seconds = 0.0
  /// Sums since the last point of the history.
  var recentLoss = 0.0
  var recentSteps = 0
}

/// The file that a training run can go on from: a safetensors file with the model's parameters
/// (`model.`), the optimizer's state (`optimizer.`), the state of the random numbers, and the rest
/// as JSON in its metadata.
struct Checkpoint {
  static let formatVersion = "1"

  let path: String
  /// What the model is, as text: a run does not go on from another model's checkpoint.
  let architecture: String
  /// More strings for the file.
  let metadata: [String: String]

  func save<M: Module>(
    _ model: M, optimizer: any Optimizer, position: TrainingPosition,
    conditions: [(name: String, value: String)], history: TrainingHistory
  ) throws(InputError) {
    var entries = model.parameters().map { SafetensorsEntry("model.\($0.name)", $0.value) }
    entries += optimizer.state.map { SafetensorsEntry("optimizer.\($0.key)", $0.value) }
    entries.append(
      SafetensorsEntry(
        "random", position.generator.state.map { Int64(bitPattern: $0) }, shape: [4],
        dtype: .i64))
    let conditions = JSONObject(conditions.map { ($0.name, .string($0.value)) })
    try SafetensorsWriter.write(
      entries,
      metadata: [
        "format": "pt",
        "bitlinear.checkpoint": Self.formatVersion,
        "bitlinear.architecture": architecture,
        "bitlinear.conditions": JSONValue.object(conditions).encoded,
        "bitlinear.position": position.json.encoded,
        "bitlinear.optimizer_step": "\(optimizer.step)",
        "bitlinear.history": history.json.encoded,
      ].merging(metadata) { own, _ in own }, to: path)
  }

  /// Takes everything over from the file, or throws and changes nothing.
  func restore<M: Module>(
    _ model: inout M, optimizer: inout any Optimizer, position: inout TrainingPosition,
    conditions: [(name: String, value: String)], history: inout TrainingHistory
  ) throws(InputError) {
    let file = try SafetensorsFile(path: path)
    guard file.metadata["bitlinear.checkpoint"] != nil else {
      throw InputError(
        .unsupported, source: path, found: "a file that is not a checkpoint",
        expected: "one that a training wrote")
    }
    try check(file, "bitlinear.checkpoint", Self.formatVersion)
    try check(file, "bitlinear.architecture", architecture)
    try check(file, conditions)
    let words = try file.integers("random").map { UInt64(bitPattern: $0) }
    guard let generator = SeededGenerator(state: words),
      let restored = TrainingPosition(
        json: try json(file, "bitlinear.position"), generator: generator),
      let past = TrainingHistory(json: try json(file, "bitlinear.history")),
      let step = file.metadata["bitlinear.optimizer_step"].flatMap({ Int($0) }),
      TrainingPosition.countable.contains(step)
    else {
      throw InputError(
        .malformed, source: path, found: "an unreadable training position",
        expected: "one that a checkpoint holds")
    }
    var restoredModel = model
    var used = Set<String>()
    try restoredModel.loadParameters(from: file, prefix: "model.", used: &used)
    if let extra = file.tensors.first(where: {
      $0.name.hasPrefix("model.") && !used.contains($0.name)
    }) {
      throw InputError(
        .mismatch, source: path, found: "a tensor \(extra.name)",
        expected: "the parameters of this model only")
    }
    let shapes = Dictionary(
      uniqueKeysWithValues: model.parameters().map { ($0.name, $0.value.shape) })
    var state: [String: Tensor] = [:]
    for tensor in file.tensors where tensor.name.hasPrefix("optimizer.") {
      let key = String(tensor.name.dropFirst("optimizer.".count))
      let parameter = key.lastIndex(of: ".").map { String(key[..<$0]) } ?? key
      guard let shape = shapes[parameter], shape.extents == tensor.shape else {
        throw InputError(
          .mismatch, source: "\(path), tensor \(tensor.name)", found: "shape \(tensor.shape)",
          expected: shapes[parameter].map { "\($0)" } ?? "no such parameter")
      }
      state[key] = try file.tensor(tensor.name)
    }
    model = restoredModel
    optimizer.restore(step: step, state: state)
    position = restored
    history = past
  }

  /// Checks what the run depends on: its result would otherwise not be that of an unbroken run.
  private func check(
    _ file: SafetensorsFile, _ conditions: [(name: String, value: String)]
  ) throws(InputError) {
    let saved = try json(file, "bitlinear.conditions").objectValue ?? [:]
    for (name, value) in conditions where saved[name]?.stringValue != value {
      throw InputError(
        .mismatch, source: path, found: "\(name) \(saved[name]?.stringValue ?? "unknown")",
        expected: "\(value), as given now")
    }
    let names = Set(conditions.map(\.name))
    if let extra = saved.first(where: { !names.contains($0.key) }) {
      throw InputError(
        .mismatch, source: path, found: "\(extra.key) \(extra.value)",
        expected: "none, as given now")
    }
  }

  private func check(
    _ file: SafetensorsFile, _ key: String, _ expected: String
  ) throws(InputError) {
    let found = file.metadata[key]
    guard found == expected else {
      let name = key.dropFirst("bitlinear.".count)
      throw InputError(
        .mismatch, source: path, found: found.map { "\(name) \($0)" } ?? "no \(name)",
        expected: expected)
    }
  }

  private func json(_ file: SafetensorsFile, _ key: String) throws(InputError) -> JSONValue {
    guard let text = file.metadata[key] else {
      throw InputError(
        .malformed, source: path, found: "no metadata \(key)", expected: "a checkpoint")
    }
    return try JSONValue(parsing: text, source: "\(path), metadata \(key)")
  }
}

extension TrainingPosition {
  fileprivate var json: JSONValue {
    .object([
      "step": .integer(Int64(step)), "epoch": .integer(Int64(epoch)),
      "batch": .integer(Int64(batch)), "loss_sum": .number(lossSum),
      "correct": .integer(Int64(correct)), "samples": .integer(Int64(samples)),
      "seconds": .number(seconds), "recent_loss": .number(recentLoss),
      "recent_steps": .integer(Int64(recentSteps)),
    ])
  }

  /// Counts that a run can reach, and go on from without an overflow.
  fileprivate static let countable = 0...1 << 53

  fileprivate init?(json: JSONValue, generator: SeededGenerator) {
    func integer(_ key: String) -> Int? {
      json[key]?.integerValue.flatMap { Int(exactly: $0) }.flatMap {
        Self.countable.contains($0) ? $0 : nil
      }
    }
    guard let step = integer("step"), let epoch = integer("epoch"), let batch = integer("batch"),
      let lossSum = json["loss_sum"]?.doubleValue, let correct = integer("correct"),
      let samples = integer("samples"), let seconds = json["seconds"]?.doubleValue,
      let recentLoss = json["recent_loss"]?.doubleValue, let recentSteps = integer("recent_steps")
    else { return nil }
    self.init(
      step: step, epoch: epoch, batch: batch, generator: generator, lossSum: lossSum,
      correct: correct, samples: samples, seconds: seconds, recentLoss: recentLoss,
      recentSteps: recentSteps)
  }
}
