import BitTraining
import BitCore
import BitFiles
import BitFormats
import BitConversion
import ArgumentParser
import BitNN

struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert", abstract: "Convert ternary and sign checkpoints between formats.",
    discussion: """
      Reads safetensors (a file, an index or a folder; packed as Hugging Face does or as this \
      program does) and GGUF. -o names a .safetensors or .gguf file, or a folder, which receives \
      model.safetensors, config.json and the small other files. Weights are never quantized again: \
      codes and scales are the same afterwards, or an error names the tensor that the target \
      cannot hold.

      Without --outtype, safetensors is hf if that holds all layers (ternary, one scale, rows \
      divisible by 4) and bitlinear otherwise, or if the layers are packed so already; GGUF is the \
      first of tq2_0, i2_s, q2_0 that holds all, or q1_0 for signs. A single file of type hf has \
      its quantization_config in its metadata; programs other than this one want it in config.json, \
      so give them a folder.

      Between Hugging Face and GGUF, a BitNet model's names and the numbers of its config.json are \
      translated; its tokenizer is not.
      """)

  @Argument(help: "The checkpoint: a file or a folder.")
  var input: String

  @Option(name: .shortAndLong, help: "The file or folder to write.")
  var output: String

  @Option(help: "How weights are stored: hf, bitlinear, tq1_0, tq2_0, q1_0, q2_0 or i2_s.")
  var outtype: String?

  @Option(help: "The layout of a GGUF file's I2_S tensors, if the file does not tell.")
  var i2sLayout: I2SLayoutOption?

  @Flag(help: "Allow scales to be rounded, and to be merged by least squares where they differ.")
  var lossy = false

  @Flag(help: "Keep the names of tensors also between Hugging Face and GGUF.")
  var keepNames = false

  @Flag(help: "Read the result back and compare every weight.")
  var verify = false

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    try CPU.checkEnvironment()
    let options = ConversionOptions(
      type: try ConversionRun.type(outtype), isLossy: lossy, keepsNames: keepNames)
    let run = ConversionRun()
    let (conversion, written) = try run { progress in
      let source = try ModelFile(
        path: input, options: GGUFOptions(i2sLayout: i2sLayout?.layout))
      guard i2sLayout == nil || source.isGGUF else {
        throw InputError(
          .mismatch, source: "--i2s-layout", found: "\(input), which is no GGUF file",
          expected: "a GGUF file")
      }
      let conversion = try Conversion(source, to: output, options: options, progress: progress)
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
      print(object.encoded)
      return
    }
    print(
      TextTable(
        header: ["File", "Tensors", "Packed", "Bytes"],
        rows: [
          [
            input, "\(source.tensors.count)", "\(layers.count)",
            NumberText.grouped(source.byteCount),
          ],
          [
            output, "\(written.tensorCount)",
            "\(layers.count) as \(conversion.type.rawValue)",
            NumberText.grouped(written.byteCount),
          ],
        ]), terminator: "")
    print("Weights as \(conversion.type.rawValue): \(conversion.reason).")
    if let compared = written.verifiedElements {
      print("Verified: \(NumberText.grouped(compared)) elements are the same.")
    }
  }
}
