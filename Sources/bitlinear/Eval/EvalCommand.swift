import ArgumentParser
import BitCore
import BitFiles
import BitFormats
import BitTraining

struct EvalCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval", abstract: "Measure the accuracy of a trained model on a test set.",
    discussion: """
      Takes the packed or the float32 model that `bitlinear train` wrote. The recipe bitnet has \
      one activation scale per batch, so that its results depend on the batch size.
      """)

  @Argument(help: "Model file, such as packed.safetensors.")
  var model: String

  @OptionGroup var dataOption: DataOption

  // Unconditional, so that the message about -1 says what is allowed.
  @Option(
    parsing: .unconditional, help: ArgumentHelp("Batch size, 1 to 1000000.", valueName: "n"))
  var batchSize = 128

  @Option(
    help: ArgumentHelp(
      "Write the predicted class of every test sample to this file, one per line.",
      valueName: "file"))
  var predictions: String?

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  func validate() throws {
    try require("--batch-size", [batchSize], in: 1...1_000_000)
  }

  func run() throws {
    try CPU.checkEnvironment()
    let file = try SafetensorsFile(path: model)
    let network = try Network(of: file)
    var layers = network.model()
    try layers.load(from: file)
    let data = try dataOption.load()
    try network.check(data, source: model)
    let result = Evaluation(
      of: data.test, standardization: network.standardization, batchSize: batchSize
    ) { layers($0) }
    if let predictions {
      try AtomicFile.write(
        result.predictions.map { "\($0)\n" }.joined(), to: predictions)
    }
    let isPacked = try !file.packedLayerNames().isEmpty
    let speed = Double(data.test.count) / max(result.seconds, 1e-9)
    if json {
      try Output.write([
        "model": .string(model), "network": .string(network.summary), "packed": .bool(isPacked),
        "samples": .integer(Int64(data.test.count)), "test_accuracy": .number(result.accuracy),
        "test_loss": .number(result.loss), "samples_per_second": .number(speed),
      ])
    } else {
      let table = TextTable(
        header: ["Model", "Network", "Test accuracy", "Test loss", "Samples/s"],
        rows: [
          [
            isPacked ? "packed" : "float32", network.summary,
            NumberText.percent(result.accuracy, decimals: 2),
            NumberText.fixed(result.loss, decimals: 4),
            NumberText.grouped(Int(speed)),
          ]
        ])
      try Output.write(table.description)
    }
  }
}
