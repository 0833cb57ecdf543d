import ArgumentParser
import BitCore
import BitLM

struct PerplexityCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "perplexity", abstract: "Measure how well a language model predicts a text.",
    discussion: """
      The perplexity is exp(nll), where nll is the mean of -log p over the predicted tokens. Which \
      these are, and what they follow, makes a great difference:

      Without further options it is as llama.cpp has it. The text, with the tokens that the \
      tokenizer puts around it, is cut into windows of --ctx-size tokens (512 if that is not \
      given), each of which the model sees by itself. If the tokenizer begins texts with a token, \
      that takes the place of each window's first. Of a window's tokens 0 to c-1 those from c/2+1 \
      on are predicted. What is left at the end of the text is not looked at.

      With --all-positions all tokens of a window but the first are predicted.

      With --stride n it is as in Hugging Face's guide: windows of --ctx-size tokens begin every n \
      tokens, and each predicts what those before have not, so that every token but the first of \
      the text is predicted once, with at least c-n tokens before it from the second window on. \
      Nothing takes the place of a window's first token.

      --kl-divergence loads the model a second time, with the inputs of ternary and sign layers \
      not rounded at all, which takes the memory of two models and is slow. It prints the mean \
      Kullback-Leibler divergence from there to the chosen --activations, and how often both find \
      the same token the most likely.
      """)

  @OptionGroup var model: ModelFlags
  @OptionGroup var prompt: PromptFlags

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Let windows overlap: begin one every n tokens.", valueName: "n"))
  var stride: Int?

  @Flag(help: "Predict all tokens of a window but the first.")
  var allPositions = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The most windows to look at; -1 for all.", valueName: "n"))
  var chunks = -1

  @Flag(help: "Compare with the same model whose activations are not rounded.")
  var klDivergence = false

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  func validate() throws {
    let length = windowLength
    try require("--ctx-size", [length], in: 2...Int(Int32.max))
    try require("--stride", stride.map { [$0] } ?? [], in: 1...length)
    try require("--chunks", [chunks], in: -1...Int(Int32.max))
    guard chunks != 0 else { throw ValidationError("'--chunks 0' leaves nothing to look at.") }
    guard stride == nil || !allPositions else {
      throw ValidationError("Please provide '--stride' or '--all-positions', not both.")
    }
    guard !klDivergence || model.activations != .float else {
      throw ValidationError("'--kl-divergence' compares with '--activations float' itself.")
    }
  }

  private var windowLength: Int { model.contextSize > 0 ? model.contextSize : 512 }

  func run() throws {
    try self.model.prepare()
    let content = try prompt.read(dropsNewline: false)
    let model = try self.model.load().model
    let ids = try content.tokens { () throws(InputError) in try model.requiredTokenizer() }
    try WindowReader.checkIDs(ids, for: model, source: "text")
    let windows = try windows(of: ids.count, model)
    var exact: LanguageModel?
    if klDivergence {
      guard model.options.activations != .float else {
        throw InputError(
          .unsupported, source: model.path, found: "no ternary or sign layers",
          expected: "some, whose rounded inputs '--kl-divergence' compares with floats")
      }
      var options = self.model.options
      options.activations = .float
      exact = try self.model.load(options).model
    }
    var run = PerplexityRun(model, exact: exact, ids: ids, windows: windows)
    try run.measure()
    try json ? Output.write(run.json) : Output.write(run.text)
  }

  private func windows(of count: Int, _ model: LanguageModel) throws(InputError) -> [TextWindow] {
    let length = windowLength
    guard length <= model.contextLength else {
      throw InputError(
        .mismatch, source: model.path, found: "windows of \(length) tokens",
        expected: "at most \(model.contextLength), the length of the context; see --ctx-size")
    }
    let least = stride == nil ? length : 2
    guard count >= least else {
      throw InputError(
        .mismatch, source: "text", found: "\(count) tokens",
        expected: "at least \(least)" + (stride == nil ? ", one window; see --ctx-size" : ""))
    }
    let all =
      if let stride {
        TextWindow.sliding(count: count, length: length, stride: stride)
      } else {
        TextWindow.separate(
          count: count, length: length, isWhole: allPositions,
          beginsAnew: model.tokenizer?.definition.addsBeginOfText == true)
      }
    let windows = chunks > 0 ? Array(all.prefix(chunks)) : all
    // Windows of two tokens have none after the first of their second half.
    guard windows.contains(where: { $0.predictions > 0 }) else {
      throw InputError(
        .mismatch, source: "--ctx-size",
        found: "windows of \(length) tokens, none of which is predicted",
        expected: "longer ones, or --all-positions")
    }
    return windows
  }
}
