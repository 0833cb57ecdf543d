import BitCore
import BitTraining
import ArgumentParser
import BitNN

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Train a network of BitLinear layers, pack it and compare.",
    discussion: """
      Without arguments it trains on Fashion-MNIST for ten epochs. The folder of --out receives the \
      checkpoint, the float32 and the packed model, metrics.jsonl and report.html; files of an \
      earlier run there are replaced. Ctrl-C saves a checkpoint, from which --resume goes on.
      """)

  @OptionGroup var dataOption: DataOption

  // The numbers are parsed unconditionally: what begins with a dash is then a value, and the
  // message can say what is wrong with it.

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Features of the hidden layers.", valueName: "n,n,..."))
  var layers = "512,512"

  @Option(help: "How layers quantize: bitnet (1 bit), b158 (ternary) or float.")
  var recipe: Recipe = .b158

  @Option(
    parsing: .unconditional,
    help: "Blocks of output rows with a scale each; must divide every layer and the classes.")
  var groups = 1

  @Option(parsing: .unconditional, help: "Passes over the training samples.")
  var epochs = 10

  @Option(parsing: .unconditional, help: "Samples of a step.")
  var batchSize = 128

  @Option(parsing: .unconditional, help: "The highest learning rate of the cosine schedule.")
  var learningRate: Float = 1e-3

  @Option(parsing: .unconditional, help: "Determines initial weights and the order of samples.")
  var seed: UInt64 = 0

  @Option(help: ArgumentHelp("The folder for results.", valueName: "dir"))
  var out = "bitlinear-run"

  @Flag(help: "Go on from the checkpoint in the folder of --out.")
  var resume = false

  @Option(
    parsing: .unconditional,
    help: "Steps between checkpoints within an epoch; 0 for one at the end of each epoch.")
  var checkpointEvery = 0

  @Flag(help: "Also train a float network of the same shape, for comparison.")
  var baseline = false

  @Flag(help: "Print one JSON object as the last line.")
  var json = false

  func run() throws {
    try CPU.checkEnvironment()
    try checkOptions()
    let data = try dataOption.load()
    let standardization = data.train.standardization()
    func network(_ recipe: Recipe) throws(InputError) -> Network {
      try Network(
        features: [data.train.featureCount] + hiddenFeatures() + [data.train.classCount],
        recipe: recipe, groups: groups, standardization: standardization,
        source: "--layers \(layers)" + (groups > 1 ? " --groups \(groups)" : ""))
    }
    let mainNetwork = try network(recipe)
    let folder = try outputFolder()
    let interrupt = InterruptSignal()
    var job = TrainingJob(
      network: mainNetwork, data: data, options: options, folder: folder,
      files: .main, interrupt: interrupt, checkpointInterval: checkpointEvery)
    try job.run(resumes: resume)
    var float: TrainingJob?
    if baseline {
      var job = TrainingJob(
        network: try network(.float), data: data, options: options, folder: folder,
        files: .baseline, interrupt: interrupt, checkpointInterval: checkpointEvery)
      // The baseline starts when the main run is done, so there may be nothing yet to resume.
      try job.run(resumes: resume && folder.contains(TrainingJob.Files.baseline.checkpoint))
      float = job
    }
    interrupt.stop()
    let results = try TrainingResults(job, baseline: float)
    try folder.write("metrics.jsonl", job.trainer.history.jsonLines)
    let content = results.report(command: CommandLine.arguments)
    try folder.write("report.html", HTMLReport(content: content).html())
    var curves = HTMLReport.accuracyChart(content.accuracyCurves)
    curves.width = 760
    curves.height = 400
    try folder.write("curves.svg", curves.standaloneSVG())
    print(results.table, terminator: "")
    print("Report: \(folder.path("report.html"))")
    if json { print(results.json.encoded) }
    // Whoever runs this in a script must notice.
    if results.predictionsEqual == false { throw ExitCode.failure }
  }

  private func outputFolder() throws(InputError) -> OutputFolder {
    let checkpoint = TrainingJob.Files.main.checkpoint
    if resume, !OutputFolder.exists(out, with: checkpoint) {
      throw InputError(
        .missing, source: "--resume", found: "no \(checkpoint) in \(out)",
        expected: "one; without --resume a training starts from the beginning")
    }
    return try OutputFolder(out)
  }

  private var options: TrainingOptions {
    TrainingOptions(
      epochs: epochs, batchSize: batchSize, seed: seed,
      learningRate: LearningRateSchedule(peak: learningRate, course: .cosine()))
  }

  private func hiddenFeatures() throws(InputError) -> [Int] {
    // No hidden layer at all is written as an empty list.
    guard !layers.isEmpty else { return [] }
    return try OptionList.values("--layers", layers, "numbers of features, as in 512,512") {
      Int($0).flatMap { $0 > 0 ? $0 : nil }
    }
  }

  private func checkOptions() throws(InputError) {
    func check(_ name: String, _ value: some Any, _ isRight: Bool, _ expected: String)
      throws(InputError)
    {
      guard !isRight else { return }
      throw InputError(.malformed, source: name, found: "\(value)", expected: expected)
    }
    let counts = OptionLimits.counts
    let most = counts.upperBound
    try check(
      "--baseline", "--recipe float", !baseline || recipe != .float,
      "a recipe that the float network is a baseline of")
    try check("--epochs", epochs, epochs == 0 || counts.contains(epochs), "0 to \(most)")
    try check("--batch-size", batchSize, counts.contains(batchSize), "1 to \(most)")
    try check("--groups", groups, groups > 0, "1 or more")
    try check("--checkpoint-every", checkpointEvery, checkpointEvery >= 0, "0 or more")
    try check(
      "--learning-rate", learningRate, learningRate > 0 && learningRate.isFinite,
      "a positive number")
  }
}

/// What options may be.
enum OptionLimits {
  /// Epochs and samples: products of a few of them must fit in an Int.
  static let counts = 1...1_000_000
}

extension Recipe: ExpressibleByArgument {}
