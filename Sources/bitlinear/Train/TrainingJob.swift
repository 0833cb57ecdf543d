import BitCore
import BitFiles
import BitNN
import BitTraining

/// One training run of the command line, with its files.
struct TrainingJob {
  /// The names of a run's files in the output folder.
  struct Files {
    let checkpoint: String
    let model: String
    /// Nil for a baseline, which is not packed.
    let packed: String?

    static let main = Files(
      checkpoint: "checkpoint.safetensors", model: "model.safetensors",
      packed: "packed.safetensors")
    static let baseline = Files(
      checkpoint: "baseline-checkpoint.safetensors", model: "baseline.safetensors", packed: nil)
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
  /// - Throws: `ExitCode` after Ctrl-C, when the checkpoint is on disk.
  mutating func run(resumes: Bool) throws {
    var display = ProgressDisplay.standardError()
    if resumes {
      try trainer.resume()
      display.message("Resuming \(network.summary) after \(trainer.progressSummary)")
    } else {
      display.message("Training \(network.summary), \(trainer.model.parameterCount) weights")
    }
    let outcome = try trainer.run(
      display: display, checkpointInterval: checkpointInterval,
      didEndEpoch: { [folder, files] history in
        guard files.packed != nil else { return }
        if !resumes { try Self.removeBaseline(of: folder) }
        try folder.write("metrics.jsonl", history.jsonLines)
      }, shouldStop: { [interrupt] in interrupt.isReceived })
    guard outcome == .finished else {
      if !resumes, files.packed != nil { try Self.removeBaseline(of: folder) }
      display.message(
        "Stopped after \(trainer.progressSummary), saved in "
          + "\(folder.path(files.checkpoint)); continue with --resume")
      throw InterruptSignal.exitCode
    }
    try trainer.model.save(to: folder.path(files.model), metadata: network.metadata)
    guard let packed = files.packed else { return }
    if network.recipe == .float {
      // A packed model of an earlier run would look like this one's.
      try folder.remove(packed)
    } else {
      try trainer.model.packed().save(to: folder.path(packed), metadata: network.metadata)
    }
  }

  /// Removes the baseline of an earlier run, which would look like this one's, now that this run's
  /// own checkpoint has replaced that run's.
  private static func removeBaseline(of folder: OutputFolder) throws(InputError) {
    try folder.remove(Files.baseline.checkpoint)
    try folder.remove(Files.baseline.model)
  }

  /// The model as it was written to the packed file, read back.
  func packedModel() throws(InputError) -> MultilayerPerceptron<Linear>? {
    guard let packed = files.packed, network.recipe != .float else { return nil }
    var model = network.model()
    try model.load(path: folder.path(packed))
    return model
  }
}
