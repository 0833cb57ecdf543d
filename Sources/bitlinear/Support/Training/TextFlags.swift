import ArgumentParser
import BitCore
import BitTokenizers
import BitTraining

/// The options that say what texts a language model is trained with.
struct TextFlags: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      """
      Files of text in UTF-8, .jsonl files with "text", "prompt" and "completion" or "messages" on \
      each line, or folders of these; a folder with train.jsonl and valid.jsonl is both.
      """, valueName: "path"))
  var data: [String] = []

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp(
      "Files and folders to validate with. (default: a share of --data)", valueName: "path"))
  var valid: [String] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Share of the tokens of --data to validate with, 0 (none) to 0.5.", valueName: "share"))
  var validationShare = 0.05

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Line that parts the documents of a file of text. (default: a file is one document)",
      valueName: "line"))
  var separator: String?

  @Flag(help: "Learn the answers alone, not the prompts of .jsonl files.")
  var maskPrompt = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Tokens of a window of text, 1 to 1048576.", valueName: "n"))
  var maxSeqLength = 256

  func validate() throws {
    guard !data.isEmpty else {
      throw ValidationError("Missing expected argument '--data <path>'")
    }
    guard (data + valid).allSatisfy({ !$0.isEmpty }) else {
      throw ValidationError("A path of '--data' or '--valid' is empty.")
    }
    guard (0...0.5).contains(validationShare) else {
      throw ValidationError(
        "The value '\(validationShare)' is invalid for '--validation-share'. "
          + "Please provide a number from 0 to 0.5.")
    }
    try require("--max-seq-length", [maxSeqLength], in: 1...1 << 20)
  }

  /// Reads and encodes the texts.
  func read(_ tokenizer: Tokenizer, seed: UInt64) throws(InputError) -> TextData {
    try TextData(
      paths: data, validation: valid.isEmpty ? nil : valid, validationShare: validationShare,
      seed: seed, tokenizer: tokenizer, length: maxSeqLength, masksPrompts: maskPrompt,
      separator: separator)
  }
}
