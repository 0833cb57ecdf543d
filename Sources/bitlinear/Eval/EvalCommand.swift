import BitCore
import BitFiles
import BitFormats
import BitTraining
import ArgumentParser
import BitNN

struct EvalCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval", abstract: "Test a trained model on a data set.",
    discussion: """
      Takes the packed or the float32 model that `bitlinear train` wrote. Models with one activation \
      scale for the tensor (recipe bitnet) give results that depend on the batch size.
      """)

  @Argument(help: "A model file, such as packed.safetensors.")
  var model: String

  @OptionGroup var dataOption: DataOption

  // Unconditional, so that a negative number is a value, and the message can say what is wrong.
  @Option(parsing: .unconditional, help: "Samples at once.")
  var batchSize = 128

  @Option(help: "Write the predicted class of every test sample to this file, one a line.")
  var predictions: String?

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    try CPU.checkEnvironment()
    guard OptionLimits.counts.contains(batchSize) else {
      throw InputError(
        .malformed, source: "--batch-size", found: "\(batchSize)",
        expected: "1 to \(OptionLimits.counts.upperBound)")
    }
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
      let object: JSONValue = [
        "model": .string(model), "network": .string(network.summary), "packed": .bool(isPacked),
        "samples": .integer(Int64(data.test.count)), "test_accuracy": .number(result.accuracy),
        "test_loss": .number(result.loss), "samples_per_second": .number(speed),
      ]
      print(object.encoded)
    } else {
      print(
        TextTable(
          header: ["Model", "Network", "Test accuracy", "Test loss", "Samples/s"],
          rows: [
            [
              isPacked ? "packed" : "float32", network.summary,
              NumberText.percent(result.accuracy, decimals: 2),
              NumberText.fixed(result.loss, decimals: 4),
              NumberText.grouped(Int(speed)),
            ]
          ]), terminator: "")
    }
  }
}

extension Network {
  /// Checks that a data set fits the network.
  func check(_ data: TrainTestData, source: String) throws(InputError) {
    guard data.test.featureCount == features.first, data.test.classCount <= features.last ?? 0
    else {
      throw InputError(
        .mismatch, source: source, found: "a network \(summary)",
        expected: "\(data.test.featureCount) features and \(data.test.classCount) classes, as in "
          + data.test.name)
    }
  }
}
