import ArgumentParser
import BitNN

/// One training run of the command line, with its files.
struct TrainingJob {
  /// The names of a run's files in the output folder.
  struct Files {
    let checkpoint: String
    let model: String
    let packed: String

    static let main = Files(
      checkpoint: "checkpoint.safetensors", model: "model.safetensors",
      packed: "packed.safetensors")
    static let baseline = Files(
      checkpoint: "baseline-checkpoint.safetensors", model: "baseline.safetensors", packed: "")
  }

  let network: Network
  let folder: OutputFolder
  let files: Files
  private(set) var trainer: Trainer<MultilayerPerceptron<Linear>>
  private let interrupt: InterruptSignal
  private let checkpointInterval: Int

  init(
    network: Network, data: TrainTestData, options: TrainingOptions, folder: OutputFolder,
    files: Files, interrupt: InterruptSignal, checkpointInterval: Int
  ) {
    self.network = network
    self.folder = folder
    self.files = files
    self.interrupt = interrupt
    self.checkpointInterval = checkpointInterval
    trainer = Trainer(
      network.model(seed: options.seed), data: data, options: options,
      checkpointPath: folder.path(files.checkpoint),
      architecture: network.summary, metadata: network.metadata)
  }

  /// Trains to the end and writes the float32 model and, if there is one, the packed one.
  ///
  /// - Throws: `ExitCode(130)` after an interrupt, when the checkpoint is on disk.
  mutating func run(resumes: Bool) throws {
    var display = ProgressDisplay.standardError()
    if resumes {
      try trainer.resume()
      display.message("Going on with \(network.summary) after \(trainer.progressSummary)")
    } else {
      display.message("Training \(network.summary), \(network.model().parameterCount) weights")
    }
    let outcome = try trainer.run(
      display: display, checkpointInterval: checkpointInterval,
      didEndEpoch: { [folder, files] history in
        if files.packed.isEmpty { return }
        try folder.write("metrics.jsonl", history.jsonLines)
      }, shouldStop: { [interrupt] in interrupt.isReceived })
    guard outcome == .finished else {
      display.message(
        "Stopped after \(trainer.progressSummary), saved in "
          + "\(folder.path(files.checkpoint)); go on with --resume")
      throw ExitCode(130)
    }
    try trainer.model.save(to: folder.path(files.model), metadata: network.metadata)
    if network.recipe != .float {
      try trainer.model.packed().save(to: folder.path(files.packed), metadata: network.metadata)
    }
  }

  /// The model as it was written to the packed file, read back.
  func packedModel() throws -> MultilayerPerceptron<Linear>? {
    guard network.recipe != .float else { return nil }
    var model = network.model()
    try model.load(from: SafetensorsFile(path: folder.path(files.packed)))
    return model
  }
}
