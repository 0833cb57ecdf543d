import ArgumentParser
import BitCore
import BitFiles
import BitNN
import BitTokenizers
import BitTraining

/// What `train-lm` and `finetune` do alike: texts, trainings, results, report.
struct DecoderRun {
  /// A model to train and what it is called.
  struct Candidate {
    let name: String
    let model: DecoderModel
    var teacher: DecoderModel?
  }

  /// The file that is written last.
  static let reportName = "report.html"

  let title: String
  let texts: TextFlags
  let training: DecoderTrainingFlags
  let flags: RunFlags
  let options: DecoderTrainingOptions
  let tokenizer: TokenizerDefinition

  /// Calls `body` in all processes that train together, and ends the command if it has no success.
  static func inProcesses(_ body: (ProcessGroup) throws -> Outcome) throws {
    try CPU.checkEnvironment()
    SystemMemory.keepFreed()
    try ProcessGroup.run(body).check()
  }

  /// Trains the model and then the baseline, if there is one.
  ///
  /// - Parameters:
  ///   - group: the processes that train together.
  ///   - data: the encoded texts.
  ///   - candidate: makes the model. Its first weights are not kept.
  ///   - baseline: makes the float model to compare with; nil for none.
  /// - Returns: whether it came to the end and whether packed layers equal latent ones.
  func callAsFunction(
    _ group: ProcessGroup, _ data: TextData, _ candidate: () throws -> Candidate,
    baseline: (() throws -> Candidate)?
  ) throws -> Outcome {
    let folder = try flags.openFolder()
    let interrupt = InterruptSignal(isOneOfSeveral: group.count > 1)
    defer { interrupt.stop() }
    var main = try job(candidate(), .main, folder, data, group, interrupt)
    guard try main.run(resumes: flags.resume) else { return .interrupted }
    var float: DecoderJob?
    if let baseline {
      var job = try job(baseline(), .baseline, folder, data, group, interrupt)
      // The baseline starts when the main run is done, so there may be nothing yet to resume.
      let resumes = try group.agree(
        flags.resume && folder.contains(DecoderJob.Files.baseline.checkpoint))
      guard try job.run(resumes: resumes) else { return .interrupted }
      float = job
    }
    interrupt.stop()
    guard group.isFirst else { return .finished }
    let results = try DecoderResults(main, baseline: float)
    let report = report(results, data, group)
    try folder.write("curves.svg", report.curvesSVG())
    try folder.write(Self.reportName, report.html())
    try Output.write("\(results.text)Report: \(folder.path(Self.reportName))\n")
    if flags.json { try Output.write(results.json) }
    // A script that runs this must notice.
    return results.areEqual ? .finished : .differs
  }

  /// How a run ended.
  enum Outcome {
    case finished
    case interrupted
    /// Packed layers do not give what latent ones do.
    case differs

    /// Ends the command with the exit code of an outcome that is no success.
    func check() throws {
      switch self {
      case .finished: break
      case .interrupted: throw InterruptSignal.exitCode
      case .differs: throw ExitCode.failure
      }
    }
  }

  private func job(
    _ candidate: Candidate, _ files: DecoderJob.Files, _ folder: OutputFolder, _ data: TextData,
    _ group: ProcessGroup, _ interrupt: InterruptSignal
  ) throws(InputError) -> DecoderJob {
    let windows = try TokenWindows(data.training, length: texts.maxSeqLength, seed: options.seed)
    let validation = try data.validation.map { (tokens) throws(InputError) in
      try ValidationWindows(
        tokens, length: texts.maxSeqLength, limit: training.validationLimit)
    }
    var model = candidate.model
    // Not only when the training is done.
    try model.checkSaving(toFolder: folder.path(files.model))
    model.checkpointsActivations = training.gradCheckpoint
    var options = options
    if candidate.teacher == nil { options.distillation = nil }
    let trainer = try DecoderTrainer(
      model, training: windows, validation: validation, options: options,
      teacher: candidate.teacher, group: group, checkpointPath: folder.path(files.checkpoint))
    let begin = data.validation ?? data.training
    let sampler = SampleWriter(
      prompt: try flags.prompt.map { (text) throws(InputError) in
        try Tokenizer(tokenizer).encode(text)
      } ?? begin.ids(0..<min(16, begin.count)),
      tokenCount: flags.sampleTokens, tokenizer: tokenizer,
      folder: folder.path(".sample"), seed: options.seed)
    return DecoderJob(
      name: candidate.name, files: files, folder: folder, tokenizer: tokenizer, trainer: trainer,
      sampler: sampler, interrupt: interrupt, checkpointInterval: training.saveEvery)
  }

  private func report(
    _ results: DecoderResults, _ data: TextData, _ group: ProcessGroup
  ) -> DecoderReport {
    let trainer = results.job.trainer
    let configuration = trainer.model.configuration
    let last = trainer.history.points.last
    var highlights: [Fact] = []
    if let measurements = results.measurements {
      highlights.append(
        Fact(
          name: "Bits per character",
          value: NumberText.fixed(measurements.latent.bitsPerCharacter, decimals: 3),
          note: measurements.baseline.map {
            "float baseline \(NumberText.fixed($0.bitsPerCharacter, decimals: 3))"
          }))
    }
    if let packed = results.bytes.packed {
      highlights.append(
        Fact(
          name: "Packed model", value: "\(NumberText.grouped(packed / 1000)) kB",
          note: "float32 \(NumberText.grouped(results.bytes.model / 1000)) kB"))
    }
    if let last, last.seconds > 0 {
      highlights.append(
        Fact(
          name: "Tokens a second",
          value: NumberText.grouped(Int(Double(last.tokens) / last.seconds)),
          note: "\(ThreadPool.shared.limit) threads, \(CPU.kernelName) kernels"))
    }
    let facts = [
      Fact(
        name: "Model",
        value: "\(configuration.family.rawValue), \(configuration.layerCount) layers of "
          + "\(configuration.hiddenSize), \(configuration.headCount) heads, "
          + "\(NumberText.grouped(trainer.model.parameterCount)) weights"),
      Fact(name: "Linear layers", value: results.job.name),
      Fact(name: "Texts", value: data.training.summary),
      Fact(
        name: "To validate",
        value: trainer.validation.map {
          "\($0.count) windows of \(data.validation?.summary ?? "")"
        } ?? "none"),
      Fact(name: "Window", value: "\(texts.maxSeqLength) tokens"),
      Fact(
        name: "Step",
        value: "\(NumberText.grouped(trainer.tokensPerStep)) tokens in "
          + "\(options.accumulation) x \(options.batchSize) windows"),
      Fact(name: "Learning rate", value: options.learningRate.description),
      Fact(name: "Weight decay", value: options.weightDecay.description),
      Fact(
        name: "Clipping", value: options.clipNorm.map { "norm \($0)" } ?? "none"),
      Fact(
        name: "Quantization warm-up",
        value: options.quantizationWarmup.steps > 0
          ? "\(options.quantizationWarmup.steps) steps" : "none"),
      Fact(
        name: "Teacher",
        value: trainer.options.distillation.map {
          "share \($0.share), temperature \($0.temperature)"
        } ?? "none"),
      Fact(name: "Tokenizer", value: tokenizer.source),
      Fact(name: "Seed", value: "\(options.seed)"),
      Fact(name: "Processes", value: "\(group.count)"),
    ]
    return DecoderReport(
      title: title, command: CommandLine.arguments, highlights: highlights, facts: facts,
      name: results.job.name, history: trainer.history,
      baseline: results.baseline.map { (name: "float", history: $0.trainer.history) },
      codes: results.job.hasCodes ? CodeSnapshot(of: trainer.fullStrengthModel) : nil,
      results: results.table)
  }
}
