import ArgumentParser
import BitCore
import BitFormats
import BitLM

struct LogitsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logits", abstract: "Write the logits of a text to a file.",
    discussion: """
      The file gets a tensor "logits" of positions x vocabulary in float32: row i has the logits \
      of the token after the first i + 1. They are the same, to the bit, on every CPU and with any \
      number of threads.
      """)

  @OptionGroup var model: ModelFlags
  @OptionGroup var prompt: PromptFlags

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("The .safetensors file to write.", valueName: "path"))
  var output: String

  func validate() throws {
    guard output != "" else { throw ValidationError("The path of '--output' is empty.") }
  }

  func run() throws {
    try model.prepare()
    let content = try prompt.read(dropsNewline: true)
    let model = try model.load().model
    let ids = try content.tokens { () throws(InputError) in try model.requiredTokenizer() }
    try WindowReader.check(ids, for: model, source: "prompt")
    let interrupt = InterruptSignal()
    defer { interrupt.stop() }
    let shape = [ids.count, model.configuration.vocabularySize]
    let logits = SafetensorsEntry("logits", dtype: .f32, shape: shape) {
      (writer) throws(InputError) in
      var reader = WindowReader(model, ids)
      while let rows = try reader.next(upTo: ids.count) {
        guard !interrupt.isReceived else { throw Self.interrupted }
        for row in rows {
          guard row.allSatisfy(\.isFinite) else { throw Self.notFinite }
          try writer.write(Tensor(row), as: .f32)
        }
      }
    }
    do {
      try SafetensorsWriter.write([logits], to: output)
    } catch {
      throw error == Self.interrupted ? InterruptSignal.exitCode : error
    }
  }

  private static let interrupted = InputError(
    .inputOutput, source: "logits", found: "Ctrl-C", expected: "to come to the end")

  private static let notFinite = InputError(
    .notFinite, source: "logits", found: "NaN or an infinity",
    expected: "numbers, which a model with finite weights gives")
}
