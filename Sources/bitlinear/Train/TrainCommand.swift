import ArgumentParser
import BitCore
import BitFiles
import BitNN
import BitTraining

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Train a classifier of BitLinear layers and pack it.",
    discussion: """
      Without options it trains on Fashion-MNIST for 10 epochs. The folder of --out receives a \
      checkpoint, the float32 and the packed model, metrics.jsonl, report.html and curves.svg; \
      files of an earlier run there are replaced. Ctrl-C saves a checkpoint, from which --resume \
      continues.
      """)

  @OptionGroup var dataOption: DataOption

  // Numbers are parsed unconditionally, so that the message about -1 says what is allowed.

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Sizes of the hidden layers, 1 to 65536 each; \"\" for none.", valueName: "n,n,..."))
  var layers: CommaSeparated<Int> = "512,512"

  @Option(
    help: "Quantization of the layers: bitnet (1 bit), b158 (1.58 bits, ternary) or float (none).")
  var recipe: RecipeOption = .b158

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Groups of output rows that have a scale each; must divide the sizes of all layers.",
      valueName: "n"))
  var groups = 1

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Number of epochs, 0 to 1000000.", valueName: "n"))
  var epochs = 10

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Batch size, 1 to 1000000.", valueName: "n"))
  var batchSize = 128

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Peak learning rate; it falls to 0 along a cosine.", valueName: "rate"))
  var learningRate: Float = 1e-3

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Seed of the initial weights and the order of the samples.", valueName: "n"))
  var seed: UInt64 = 0

  @Option(
    name: .shortAndLong, help: ArgumentHelp("Folder for the results.", valueName: "folder"))
  var out = "bitlinear-run"

  @Flag(help: "Continue from the checkpoint in the folder of --out.")
  var resume = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Save a checkpoint every n steps, besides that of each epoch; 0 for never.",
      valueName: "n"))
  var saveEvery = 0

  @Flag(help: "Also train a float network of the same shape, for comparison.")
  var baseline = false

  @Flag(help: "Also print the results as one JSON object, in the last line.")
  var json = false

  func validate() throws {
    try require("--layers", layers.values, in: 1...Network.maximumFeatures)
    try require("--groups", [groups], in: 1...Network.maximumFeatures)
    try require("--epochs", [epochs], in: 0...1_000_000)
    try require("--batch-size", [batchSize], in: 1...1_000_000)
    try require("--save-every", [saveEvery], in: 0...Int.max)
    try requirePositive("--learning-rate", learningRate)
    guard !baseline || recipe != .float else {
      throw ValidationError("'--baseline' needs a recipe other than float to compare with.")
    }
  }

  func run() throws {
    try CPU.checkEnvironment()
    SystemMemory.keepFreed()
    let data = try dataOption.load()
    let mainNetwork = try network(recipe, for: data)
    let floatNetwork = baseline ? try network(.float, for: data) : nil
    let folder = try openFolder()
    let interrupt = InterruptSignal()
    func job(_ network: Network, _ files: TrainingJob.Files) -> TrainingJob {
      TrainingJob(
        network: network, data: data, options: options, folder: folder, files: files,
        interrupt: interrupt, checkpointInterval: saveEvery)
    }
    var mainJob = job(mainNetwork, .main)
    try mainJob.run(resumes: resume)
    var floatJob = floatNetwork.map { job($0, .baseline) }
    // The baseline starts when the main run is done, so there may be nothing yet to resume.
    try floatJob?.run(resumes: resume && folder.contains(TrainingJob.Files.baseline.checkpoint))
    interrupt.stop()
    let results = try TrainingResults.measure(mainJob, baseline: floatJob)
    try writeFiles(results, to: folder)
    try Output.write("\(results.text)Report: \(folder.path("report.html"))\n")
    if json { try Output.write(results.json) }
    // A script that runs this must notice.
    if results.predictionsEqual == false { throw ExitCode.failure }
  }

  private func network(
    _ recipe: RecipeOption, for data: TrainTestData
  ) throws(InputError) -> Network {
    try Network(
      features: [data.train.featureCount] + layers.values + [data.train.classCount],
      recipe: recipe, groups: groups, standardization: data.train.standardization(),
      source: "--layers \(layers.defaultValueDescription)"
        + (groups > 1 ? " --groups \(groups)" : ""))
  }

  private func openFolder() throws(InputError) -> OutputFolder {
    let checkpoint = TrainingJob.Files.main.checkpoint
    if resume, try !OutputFolder.exists(out, with: checkpoint) {
      throw InputError(
        .missing, source: "--resume", found: "no \(checkpoint) in \(out)",
        expected: "one; without --resume a training starts from the beginning")
    }
    return try OutputFolder(out, option: "--out")
  }

  private var options: TrainingOptions {
    TrainingOptions(
      epochs: epochs, batchSize: batchSize, seed: seed,
      learningRate: LearningRateSchedule(peak: learningRate, course: .cosine()))
  }

  private func writeFiles(_ results: TrainingResults, to folder: OutputFolder) throws(InputError) {
    try folder.write("metrics.jsonl", results.job.trainer.history.jsonLines)
    let content = results.report(command: CommandLine.arguments)
    try folder.write("report.html", HTMLReport(content: content).html())
    try folder.write("curves.svg", results.accuracyChart.standaloneSVG())
  }
}
