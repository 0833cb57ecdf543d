import ArgumentParser
import BitTraining

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "List the tensors of a model, or show the values of one.",
    discussion: """
      Takes a safetensors or GGUF file, an index of safetensors files, or a folder with \
      model.safetensors or its index. For packed layers it shows the share of each code and the \
      range of the scales.
      """)

  @Argument(help: "A .safetensors or .gguf file, an index (.json), or a folder with a model.")
  var path: String

  @Option(
    help: ArgumentHelp(
      "Show the values of this tensor: minimum, maximum, mean, codes, scales, a histogram.",
      valueName: "name"))
  var tensor: String?

  @Flag(help: "Read the codes of packed layers even if the model has more than 64 MiB.")
  var codes = false

  @Option(
    help: ArgumentHelp(
      "Layout of a GGUF file's I2_S tensors, if the file does not say.", valueName: "layout"))
  var i2sLayout: I2SLayoutOption?

  @Flag(help: "Print one JSON object instead of tables.")
  var json = false

  func run() throws {
    let model = try InspectedModel(path: path, i2sLayout: i2sLayout?.layout)
    model.warnings.forEach(Output.warn)
    if let tensor {
      let report = try TensorReport(tensor, of: model)
      let terminal = Terminal.standardOutput
      try json
        ? Output.write(report.json)
        : Output.write(
          report.text(width: terminal.columns, mark: terminal.isInteractive ? "█" : "#"))
    } else {
      let listing = ModelListing(model, readsCodes: codes)
      try json ? Output.write(listing.json) : Output.write(listing.text)
    }
  }
}
