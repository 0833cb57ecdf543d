import ArgumentParser
import BitCore
import BitFiles
import BitLM
import BitTraining

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
      "How sample texts begin. (default: the first tokens to validate or, if none, to train with)",
      valueName: "text"))
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

  /// Checks that the folder of results has what `--resume` needs, and that a new run would replace
  /// none that somebody may want to resume: one with a checkpoint but without the report, which comes
  /// last.
  func checkFolder(for group: ProcessGroup) throws(InputError) {
    let checkpoint = DecoderJob.Files.main.checkpoint
    // The first process alone replaces files, and the others may come here after it has begun.
    guard group.isFirst else { return }
    let hasCheckpoint = try OutputFolder.exists(out, with: checkpoint)
    if resume, !hasCheckpoint {
      throw InputError(
        .missing, source: "--resume", found: "no \(checkpoint) in \(out)",
        expected: "one; without --resume a training starts from the beginning")
    }
    if !resume, hasCheckpoint, try !OutputFolder.exists(out, with: DecoderRun.reportName) {
      throw InputError(
        .mismatch, source: "--out \(out)", found: "\(checkpoint) of a run that is not finished",
        expected: "--resume, to continue it, or another folder, or none of that name")
    }
  }

  /// Makes the folder of results.
  func openFolder() throws(InputError) -> OutputFolder { try OutputFolder(out, option: "--out") }
}
