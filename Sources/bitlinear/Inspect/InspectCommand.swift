import BitCore
import BitFormats
import ArgumentParser
import BitNN

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect", abstract: "List the tensors of a model, or look into one of them.",
    discussion: """
      Takes safetensors and GGUF files, an index of safetensors files, and a folder with \
      model.safetensors or its index. For packed layers it shows the share of each code and the \
      range of the scales.
      """)

  @Argument(help: "A .safetensors or .gguf file, an index (.json) or a model's folder.")
  var path: String

  @Option(
    help: "Show the values of this tensor: least, greatest and mean, codes, scales, a histogram.")
  var tensor: String?

  @Flag(help: "Read the codes of packed layers though the file has more than 64 MiB.")
  var codes = false

  @Option(help: "The layout of a GGUF file's I2_S tensors, if the file does not tell.")
  var i2sLayout: I2SLayoutOption?

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let model = try InspectedModel(path: path, i2sLayout: i2sLayout?.layout)
    if let tensor {
      let report = try TensorReport(tensor, of: model)
      print(
        json
          ? report.json.encoded + "\n"
          : report.text(width: OutputTerminal.width, mark: OutputTerminal.barMark),
        terminator: "")
    } else {
      let listing = ModelListing(model, readsCodes: codes)
      print(json ? listing.json.encoded + "\n" : listing.text, terminator: "")
    }
  }
}

/// The two layouts of I2_S by short names.
enum I2SLayoutOption: String, CaseIterable, ExpressibleByArgument {
  case x86
  case arm

  var layout: I2SLayout { self == .x86 ? .x86 : .arm }
}
