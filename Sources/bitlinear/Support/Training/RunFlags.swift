import ArgumentParser
import BitCore
import BitFiles
import BitLM

/// The options of a training that results do not depend on.
struct RunFlags: ParsableArguments {
  @Option(
    name: .shortAndLong, help: ArgumentHelp("Folder for the results.", valueName: "folder"))
  var out = "bitlinear-lm"

  @Flag(help: "Continue from the checkpoint in the folder of --out.")
  var resume = false

  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp(
      "How sample texts begin. (default: the first tokens to validate with)", valueName: "text"))
  var prompt: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Tokens of a sample text, 0 (none) to 4096.", valueName: "n"))
  var sampleTokens = 100

  @Flag(help: "Also print the results as one JSON object, in the last line.")
  var json = false

  func validate() throws {
    try require("--sample-tokens", [sampleTokens], in: 0...4096)
    guard out != "" else { throw ValidationError("The path of '--out' is empty.") }
  }

  /// Makes the folder of results.
  func openFolder(isFirst: Bool) throws(InputError) -> OutputFolder {
    let checkpoint = DecoderJob.Files.main.checkpoint
    if resume, try !OutputFolder.exists(out, with: checkpoint) {
      throw InputError(
        .missing, source: "--resume", found: "no \(checkpoint) in \(out)",
        expected: "one; without --resume a training starts from the beginning")
    }
    return try OutputFolder(out, option: "--out")
  }
}
