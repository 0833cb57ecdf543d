import ArgumentParser
import BitLM

/// The options that say how a text is generated, with the names and defaults of llama.cpp.
struct GenerationFlags: ParsableArguments {
  @Option(
    name: [.customShort("n"), .long, .customLong("n-predict")], parsing: .unconditional,
    help: ArgumentHelp(
      "The most tokens to generate; -1 for as many as the context holds.", valueName: "n"))
  var predict = -1

  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp("Tokens of the prompt that are evaluated at once.", valueName: "n"))
  var batchSize = 512

  @OptionGroup var sampling: SamplingFlags

  @Option(
    name: [.customLong("stop"), .customShort("r"), .customLong("reverse-prompt")],
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "A string that ends the text and is not shown; may be given several times.",
      valueName: "text"))
  var stop: [String] = []

  @Flag(help: "Never choose the tokens that end a text.")
  var ignoreEos = false

  @Option(
    name: .customLong("draft-ngram"), parsing: .unconditional,
    help: ArgumentHelp(
      """
      The most tokens to guess ahead from what followed the same words before, 0 to 64. The text \
      stays the same.
      """, valueName: "n"))
  var draftNGram = 0

  func validate() throws {
    try require("--predict", [predict], in: -1...Int(Int32.max))
    try require("--batch-size", [batchSize], in: 1...65_536)
    try require("--draft-ngram", [draftNGram], in: 0...64)
    guard !stop.contains("") else { throw ValidationError("The text of '--stop' is empty.") }
  }

  /// The options for the model.
  ///
  /// - Parameter logProbabilities: how many likely tokens to report with each; nil for none.
  func options(logProbabilities: Int? = nil) -> GenerationOptions {
    GenerationOptions(
      sampling: sampling.options, maxTokens: predict < 0 ? nil : predict, stopStrings: stop,
      ignoresEndOfText: ignoreEos, logProbabilities: logProbabilities, draftNGram: draftNGram,
      batchSize: batchSize)
  }
}
