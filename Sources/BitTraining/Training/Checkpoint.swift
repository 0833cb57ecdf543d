import BitCore
import BitFiles
import BitFormats
import BitNN

/// What a training run can go on from, besides its model and its optimizer.
struct CheckpointProgress {
  /// The state of the random numbers.
  var generator: SeededGenerator
  /// Where the run stands.
  var position: JSONObject
  /// What was measured so far.
  var history: JSONValue
}

/// The file that a training run can go on from: a safetensors file with the model's parameters
/// (`model.`), the optimizer's state (`optimizer.`), the state of the random numbers, and the rest
/// as JSON in its metadata, with a checksum over the tensors.
struct Checkpoint {
  static let formatVersion = "2"
  private static let randomName = "random"

  let path: String
  /// What the model is, as text: a run does not go on from another model's checkpoint.
  let architecture: String
  /// More strings for the file.
  let metadata: [String: String]

  func save<M: Module>(
    _ model: M, optimizer: any Optimizer, progress: CheckpointProgress,
    conditions: [(name: String, value: String)]
  ) throws(InputError) {
    let tensors =
      model.parameters().map { ("model.\($0.name)", $0.value) }
      + optimizer.memory.tensors.map { ("optimizer.\($0.key)", $0.value) }
    let random = progress.generator.state
    var checksum = Checksum()
    for (name, tensor) in tensors.sorted(by: { $0.0 < $1.0 }) {
      checksum.add(name)
      checksum.add(tensor)
    }
    checksum.add(Self.randomName)
    random.withUnsafeBytes { checksum.add($0) }
    let entries =
      tensors.map { SafetensorsEntry($0.0, $0.1) } + [
        SafetensorsEntry(
          Self.randomName, random.map { Int64(bitPattern: $0) }, shape: [4], dtype: .i64)
      ]
    let conditions = JSONObject(conditions.map { ($0.name, .string($0.value)) })
    try SafetensorsWriter.write(
      entries,
      metadata: [
        "format": "pt",
        "bitlinear.checkpoint": Self.formatVersion,
        "bitlinear.architecture": architecture,
        "bitlinear.conditions": JSONValue.object(conditions).encoded,
        "bitlinear.position": JSONValue.object(progress.position).encoded,
        "bitlinear.optimizer_step": "\(optimizer.memory.step)",
        "bitlinear.history": progress.history.encoded,
        "bitlinear.checksum": checksum.text,
      ].merging(metadata) { own, _ in own }, to: path)
  }

  /// Takes everything over from the file, or throws and changes nothing.
  ///
  /// - Parameter understand: reads position and history, and keeps what it read; nil if they are not
  ///   those of such a run.
  func restore<M: Module, Progress>(
    _ model: inout M, optimizer: inout any Optimizer,
    conditions: [(name: String, value: String)],
    understand: (CheckpointProgress) -> Progress?
  ) throws(InputError) -> Progress {
    try model.checkChildren()
    let file = try SafetensorsFile(path: path)
    guard let version = file.metadata["bitlinear.checkpoint"] else {
      throw InputError(
        .unsupported, source: path, found: "a file that is not a checkpoint",
        expected: "one that a training wrote")
    }
    guard version == Self.formatVersion else {
      throw InputError(
        .unsupported, source: path, found: "a checkpoint of version \(version)",
        expected: "version \(Self.formatVersion); one of another version of this program cannot be "
          + "resumed")
    }
    try check(file, "bitlinear.architecture", architecture)
    try check(file, conditions)
    let words = try file.integers(Self.randomName).map { UInt64(bitPattern: $0) }
    let (position, history) = (
      try json(file, "bitlinear.position"), try json(file, "bitlinear.history")
    )
    guard let generator = SeededGenerator(state: words), let object = position.objectValue,
      let progress = understand(
        CheckpointProgress(generator: generator, position: object, history: history)),
      let step = file.metadata["bitlinear.optimizer_step"].flatMap({ Int($0) }),
      JSONFields<TrainingPosition>.countable.contains(step)
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
    let state = try optimizerState(file, of: model)
    // Last, because the other checks can say more of what is wrong.
    try checkTensors(file)
    model = restoredModel
    optimizer.memory = OptimizerMemory(step: step, tensors: state)
    return progress
  }

  /// The optimizer's tensors, each of the shape of its parameter.
  private func optimizerState<M: Module>(
    _ file: SafetensorsFile, of model: M
  ) throws(InputError) -> [String: Tensor] {
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
    return state
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

  /// Compares the checksum of the tensors; the random state comes last, as it was written.
  private func checkTensors(_ file: SafetensorsFile) throws(InputError) {
    var checksum = Checksum()
    let names = file.tensors.map(\.name).filter { $0 != Self.randomName }.sorted()
    for name in names + [Self.randomName] {
      checksum.add(name)
      try file.withUnsafeBytes(of: name) { (bytes) throws(InputError) in checksum.add(bytes) }
    }
    let expected = file.metadata["bitlinear.checksum"] ?? "one"
    guard checksum.text == expected else {
      throw InputError(
        .malformed, source: path, found: "tensors of checksum \(checksum.text)",
        expected: "\(expected), so the file is damaged")
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
