import BitConversion
import BitCore
import BitFiles
import BitFormats
import BitNN
import BitTokenizers
import BitTraining

/// One training of a language model by the command line, with its files.
struct DecoderJob {
  /// The names of a run's files in the output folder.
  struct Files {
    let checkpoint: String
    let metrics: String
    /// The folder of the model as it was trained, in Hugging Face's format.
    let model: String
    /// The folder of the packed model; nil for a baseline.
    let packed: String?

    static let main = Files(
      checkpoint: "checkpoint.safetensors", metrics: "metrics.jsonl", model: "model",
      packed: "packed")
    static let baseline = Files(
      checkpoint: "baseline-checkpoint.safetensors", metrics: "baseline-metrics.jsonl",
      model: "baseline", packed: nil)
  }

  /// What the model is called: "b158" or "float".
  let name: String
  let files: Files
  let folder: OutputFolder
  let tokenizer: TokenizerDefinition
  private(set) var trainer: DecoderTrainer
  private let sampler: SampleWriter
  private let interrupt: InterruptSignal
  private let checkpointInterval: Int

  init(
    name: String, files: Files, folder: OutputFolder, tokenizer: TokenizerDefinition,
    trainer: DecoderTrainer, sampler: SampleWriter, interrupt: InterruptSignal,
    checkpointInterval: Int
  ) {
    (self.name, self.files, self.folder, self.tokenizer) = (name, files, folder, tokenizer)
    (self.trainer, self.sampler, self.interrupt) = (trainer, sampler, interrupt)
    self.checkpointInterval = checkpointInterval
  }

  private var isFirst: Bool { trainer.group.isFirst }

  /// Whether there are BitLinear layers to pack.
  var hasCodes: Bool { trainer.model.recipe != nil }

  /// Trains to the end and writes the model and, if it has BitLinear layers, the packed one.
  ///
  /// - Returns: whether it came to the end; otherwise it was interrupted, and the checkpoint is on
  ///   disk.
  mutating func run(resumes: Bool) throws -> Bool {
    var display = isFirst ? ProgressDisplay.standardError() : nil
    defer { display?.finish() }
    if resumes {
      try trainer.resume()
      display?.message(
        "Resuming \(name) after step \(trainer.stepCount) of \(trainer.options.steps)")
    } else {
      display?.message(
        "Training \(name), \(NumberText.grouped(trainer.model.parameterCount)) weights, "
          + "\(NumberText.grouped(trainer.tokensPerStep)) tokens a step")
    }
    if isFirst { sampler.clean() }
    let (sampler, isFirst, files, folder) = (sampler, isFirst, files, folder)
    let interrupt = interrupt
    var isFresh = !resumes && files.packed != nil
    let outcome = try trainer.run(
      checkpointInterval: checkpointInterval,
      didStep: { trainer in display?.update(trainer.progress) },
      didValidate: { trainer in
        guard isFirst else { return nil }
        if let last = trainer.history.validations.last {
          display?.message(Self.line(last, of: trainer.options.steps))
        }
        return try sampler.write(trainer.model)
      },
      didSave: { trainer in
        if isFresh { try Self.removeEarlierResults(of: folder) }
        isFresh = false
        try folder.write(files.metrics, trainer.history.jsonLines)
      }, shouldStop: { interrupt.isReceived })
    if outcome == .interrupted {
      display?.message(
        "Stopped after step \(trainer.stepCount), saved in \(folder.path(files.checkpoint)); "
          + "continue with --resume")
      return false
    }
    if outcome == .stoppedEarly {
      display?.message("Stopped early: the validation loss does not fall any more")
    }
    guard isFirst else { return true }
    try folder.write(files.metrics, trainer.history.jsonLines)
    try writeModels()
    return true
  }

  /// Removes what an earlier run left and could be taken for this one's, now that its checkpoint has
  /// been replaced.
  private static func removeEarlierResults(of folder: OutputFolder) throws(InputError) {
    let baseline = Files.baseline
    for name in [
      baseline.checkpoint, baseline.metrics, "\(baseline.model)/config.json", "curves.svg",
      "\(Files.main.model)/config.json", "packed/config.json", DecoderRun.reportName,
    ] { try folder.remove(name) }
  }

  private static func line(
    _ validation: DecoderTrainingHistory.Validation, of steps: Int
  ) -> String {
    "Step \(NumberText.padded(String(validation.step), to: String(steps).count))/\(steps)"
      + "  validation loss \(NumberText.fixed(validation.loss, decimals: 4))"
      + "  bits per character \(NumberText.fixed(validation.bitsPerCharacter, decimals: 4))"
  }

  private func writeModels() throws {
    try trainer.model.save(toFolder: folder.path(files.model), tokenizer: tokenizer)
    guard let packed = files.packed else { return }
    guard let recipe = trainer.model.recipe else {
      // A packed model of an earlier run would look like this one's.
      try folder.remove("\(packed)/config.json")
      return
    }
    let source = try ModelFile(path: folder.path(files.model))
    let quantized = try QuantizedModel(source, recipe)
    try Conversion(
      quantized.model, to: folder.path(packed),
      options: ConversionOptions(type: .hf, isLossy: true, recipe: recipe)
    ).write(verifying: true)
  }

  /// The folder of the model that is to be used: the packed one, if there is one.
  var resultPath: String {
    folder.path(hasCodes ? files.packed ?? files.model : files.model)
  }
}
