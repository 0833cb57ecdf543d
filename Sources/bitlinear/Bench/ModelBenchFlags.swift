import ArgumentParser
import BitCore
import BitFormats
import BitLM

/// The options of `bench` for a language model.
struct ModelBenchFlags: ParsableArguments {
  @Option(
    name: .shortAndLong,
    help: ArgumentHelp(
      "Measure this model: a folder with a Hugging Face model, or a GGUF file.",
      valueName: "path"))
  var model: String?

  @Option(
    name: [.customShort("p"), .long], parsing: .unconditional,
    help: ArgumentHelp(
      "With --model: the tokens of the prompt, 0 for none. (default: 512)", valueName: "n"))
  var nPrompt: Int?

  @Option(
    name: [.customShort("n"), .long], parsing: .unconditional,
    help: ArgumentHelp(
      "With --model: how many tokens to generate, 0 for none. (default: 64)", valueName: "n"))
  var nGen: Int?

  @Option(
    name: [.customShort("d"), .long], parsing: .unconditional,
    help: ArgumentHelp(
      "With --model: tokens of the text before the generated ones. (default: 0)",
      valueName: "n,..."))
  var nDepth: CommaSeparated<Int>?

  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp(
      "With --model: how often to measure, of which the median counts. (default: 5)",
      valueName: "n"))
  var repetitions: Int?

  @Option(
    help: ArgumentHelp(
      "With --model: how the inputs of ternary and sign layers are rounded.", valueName: "mode"))
  var activations: ActivationMode?

  @Option(
    help: ArgumentHelp(
      "With --model: how keys and values are stored. (default: f16)", valueName: "type"))
  var cacheType: CachePrecision?

  @Option(
    help: ArgumentHelp(
      "With --model: layout of a GGUF file's I2_S tensors, if the file does not say.",
      valueName: "layout"))
  var i2sLayout: I2SLayoutOption?

  func validate() throws {
    for (option, isGiven) in [
      ("--n-prompt", nPrompt != nil), ("--n-gen", nGen != nil), ("--n-depth", nDepth != nil),
      ("--repetitions", repetitions != nil), ("--activations", activations != nil),
      ("--cache-type", cacheType != nil), ("--i2s-layout", i2sLayout != nil),
    ] where isGiven && model == nil {
      throw ValidationError("'\(option)' needs '--model'.")
    }
    guard model != "" else { throw ValidationError("The path of the model is empty.") }
    guard nDepth?.values.isEmpty != true else {
      throw ValidationError("The list of '--n-depth' is empty.")
    }
    try require("--n-prompt", [promptTokens], in: 0...1 << 20)
    try require("--n-gen", [generatedTokens], in: 0...1 << 20)
    try require("--n-depth", depths, in: 0...1 << 20)
    try require("--repetitions", [repetitions ?? 5], in: 1...1000)
    guard promptTokens + generatedTokens > 0 else {
      throw ValidationError("'--n-prompt 0 --n-gen 0' leaves nothing to measure.")
    }
  }

  var promptTokens: Int { nPrompt ?? 512 }
  var generatedTokens: Int { nGen ?? 64 }
  var depths: [Int] { nDepth?.values ?? [0] }

  /// How to load the model.
  var options: LanguageModel.Options {
    LanguageModel.Options(
      activations: activations, cachePrecision: cacheType ?? .float16,
      gguf: GGUFOptions(i2sLayout: i2sLayout?.layout))
  }
}
