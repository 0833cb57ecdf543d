import ArgumentParser
import BitLM

/// The options that say how tokens are chosen, with the names and defaults of llama.cpp.
struct SamplingFlags: ParsableArguments {
  @Option(
    name: [.customLong("temp"), .customLong("temperature")], parsing: .unconditional,
    help: ArgumentHelp("Temperature; 0 for the most likely token, always.", valueName: "t"))
  var temperature = 0.8

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Choose from this many of the most likely tokens; 0 for all.", valueName: "k"))
  var topK = 40

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Choose from the most likely tokens with this probability together; 1 for all.",
      valueName: "p"))
  var topP = 0.95

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Choose from tokens at least this likely, as a part of the most likely one; 0 for all.",
      valueName: "p"))
  var minP = 0.05

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Divide the logits of recent tokens, if above 0, and multiply them, if below; 1 for none.",
      valueName: "x"))
  var repeatPenalty = 1.0

  @Option(
    name: .customLong("repeat-last-n"), parsing: .unconditional,
    help: ArgumentHelp(
      "How many tokens count as recent; 0 for none, -1 for the whole text.", valueName: "n"))
  var repeatLastN = 64

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Subtract this from a token's logit for each time that it occurs among the recent ones.",
      valueName: "x"))
  var frequencyPenalty = 0.0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Subtract this from the logits of recent tokens.", valueName: "x"))
  var presencePenalty = 0.0

  @Option(
    parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "Add to the logit of a token, as 15043+1 or 15043-inf; may be given several times.",
      valueName: "id+x"))
  var logitBias: [LogitBias] = []

  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp(
      "Determines all random choices; -1 for another one each time.", valueName: "n"))
  var seed = -1

  func validate() throws {
    func require(_ option: String, _ value: Double, _ holds: Bool, _ allowed: String) throws {
      guard !holds else { return }
      throw ValidationError(
        "The value '\(value)' is invalid for '\(option)'. Please provide \(allowed).")
    }
    try require(
      "--temp", temperature, temperature == 0 || temperature >= 1e-6 && temperature.isFinite,
      "0, or a number of at least 1e-6")
    try require("--top-p", topP, topP > 0 && topP <= 1, "a number above 0 and up to 1")
    try require(
      "--min-p", minP, minP == 0 || minP.isNormal && minP > 0 && minP <= 1, "a number from 0 to 1")
    try require(
      "--repeat-penalty", repeatPenalty, repeatPenalty >= 1e-3 && repeatPenalty <= 1e3,
      "a number from 0.001 to 1000")
    try require(
      "--frequency-penalty", frequencyPenalty, abs(frequencyPenalty) <= 1e6,
      "a number from -1e6 to 1e6")
    try require(
      "--presence-penalty", presencePenalty, abs(presencePenalty) <= 1e6,
      "a number from -1e6 to 1e6")
    try self.require("--top-k", [topK], in: 0...Int(Int32.max))
    try self.require("--repeat-last-n", [repeatLastN], in: -1...Int(Int32.max))
    try self.require("--seed", [seed], in: -1...Int.max)
  }

  /// The options for the model; without a seed, one that is chosen anew with each call.
  var options: SamplingOptions {
    SamplingOptions(
      temperature: temperature, topK: topK, topP: topP, minP: minP,
      repetitionPenalty: repeatPenalty, frequencyPenalty: frequencyPenalty,
      presencePenalty: presencePenalty, penaltyWindow: repeatLastN < 0 ? .max : repeatLastN,
      logitBias: logitBias.reduce(into: [:]) { $0[$1.id, default: 0] += $1.bias },
      seed: seed < 0 ? UInt64(UInt32.random(in: 0 ... .max)) : UInt64(seed))
  }
}
