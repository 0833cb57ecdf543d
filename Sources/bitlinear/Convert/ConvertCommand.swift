import ArgumentParser
import BitConversion
import BitCore
import BitFiles
import BitFormats
import BitTraining

struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert", abstract: "Convert packed models between file formats.",
    discussion: """
      Reads safetensors (packed as Hugging Face does or as this program does) and GGUF, and \
      writes either. Weights are not quantized again: their codes and scales stay the same, or an \
      error names the tensor that the target cannot hold.

      -o names a .safetensors or .gguf file, or a folder, which receives model.safetensors, \
      config.json and the other small files of the model. A single file of type hf has its \
      quantization_config in its metadata; other programs expect that in config.json and need a \
      folder.

      Without --outtype, weights that are packed as this program does stay so in safetensors; \
      others become hf if that holds all layers (ternary, one scale per tensor, rows divisible by \
      4), or else bitlinear. GGUF gets the first of tq2_0, i2_s and q2_0 that holds all layers, or \
      q1_0 for signs.

      Between a Hugging Face folder and GGUF, models of the kinds llama, bitnet and qwen3 are \
      carried whole: names and order of rows, the numbers of config.json, tokenizer and chat \
      template. A warning says what is not. Float models and models with 4 or 8 bits are carried \
      too; in a folder their weights are F16, BF16 or F32, the first that holds them exactly.
      """)

  @Argument(
    help: "Packed model: a .safetensors or .gguf file, an index (.json), or a folder with a model.")
  var input: String

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "The .safetensors or .gguf file, or the folder, to write.", valueName: "path"))
  var output: String

  @Option(help: ArgumentHelp("How to store the weights.", valueName: "type"))
  var outtype: ConversionType?

  @Option(
    help: ArgumentHelp(
      "Layout of a GGUF file's I2_S tensors, if the file does not say.", valueName: "layout"))
  var i2sLayout: I2SLayoutOption?

  @Flag(help: "Allow scales to be rounded, and scales that differ to be merged by least squares.")
  var lossy = false

  @Flag(help: "Keep the names of tensors between Hugging Face and GGUF.")
  var keepNames = false

  @Flag(help: "Read the result back and compare every weight.")
  var verify = false

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  func run() throws {
    try CPU.checkEnvironment()
    let options = ConversionOptions(
      type: outtype, isLossy: lossy, keepsNames: keepNames)
    let run = ConversionRun()
    let (conversion, written) = try run { progress in
      let source = try ModelFile(
        path: input, options: GGUFOptions(i2sLayout: i2sLayout?.layout))
      guard i2sLayout == nil || source.isGGUF else {
        throw InputError(
          .mismatch, source: "--i2s-layout", found: "\(input), which is no GGUF file",
          expected: "a GGUF file")
      }
      source.warnings.forEach(Output.warn)
      let conversion = try Conversion(source, to: output, options: options, progress: progress)
      conversion.warnings.forEach(Output.warn)
      return (conversion, try conversion.write(verifying: verify, progress: progress))
    }
    let source = conversion.source
    let layers = source.tensors.filter { if case .codes = $0.content { true } else { false } }
    if json {
      let object: JSONValue = [
        "input": .string(input), "output": .string(output),
        "outtype": .string(conversion.type.rawValue), "reason": .string(conversion.reason),
        "tensors": .integer(Int64(source.tensors.count)),
        "packed_tensors": .integer(Int64(layers.count)),
        "bytes_before": .integer(Int64(source.byteCount)),
        "bytes_after": .integer(Int64(written.byteCount)),
        "verified_elements": written.verifiedElements.map { .integer(Int64($0)) } ?? .null,
      ]
      try Output.write(object)
      return
    }
    try Output.write(
      TextTable(
        header: ["File", "Tensors", "Packed", "Bytes"],
        rows: [
          [
            input, "\(source.tensors.count)", "\(layers.count)",
            NumberText.grouped(source.byteCount),
          ],
          [
            output, "\(written.tensorCount)",
            layers.isEmpty ? "0" : "\(layers.count) as \(conversion.type.rawValue)",
            NumberText.grouped(written.byteCount),
          ],
        ]
      ).description
        + (layers.isEmpty
          ? "" : "Weights as \(conversion.type.rawValue): \(conversion.reason).\n")
        + (written.verifiedElements.map {
          "Verified: \(NumberText.grouped($0)) elements are the same.\n"
        } ?? ""))
  }
}
