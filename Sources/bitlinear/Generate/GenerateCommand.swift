import ArgumentParser
import BitCore
import BitLM

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate", abstract: "Let a language model go on with a text.",
    discussion: """
      The text goes to standard output while it is generated, without the prompt, and ends with a \
      line break; load time, speed and memory go to standard error. The share of the memory limit \
      compares the bytes of weights, keys and values that each token reads with plain reading, \
      measured for a moment after the text on as many threads.

      Special tokens in a prompt are recognised by their names. With --chat the prompt is a user's \
      message, which the model's chat template puts into its place. A line break at the end of a \
      file is left out.

      The same options and --seed give the same text on every CPU, with any number of threads.
      """)

  @OptionGroup var model: ModelFlags
  @OptionGroup var prompt: PromptFlags
  @OptionGroup var generation: GenerationFlags

  @Flag(help: "Take the prompt as the message of a user to a chat model.")
  var chat = false

  @OptionGroup var conversation: ChatFlags

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "With --json, give the log probabilities of each token and of the n most likely ones, 0 to 1000.",
      valueName: "n"))
  var logprobs: Int?

  @Flag(help: "Print one JSON object instead of the text.")
  var json = false

  func validate() throws {
    try require("--logprobs", logprobs.map { [$0] } ?? [], in: 0...1000)
    guard logprobs == nil || json else {
      throw ValidationError("'--logprobs' needs '--json'.")
    }
    guard chat || conversation.system == nil else {
      throw ValidationError("'--system' needs '--chat'.")
    }
    guard chat || conversation.template == nil else {
      throw ValidationError("'--template' needs '--chat'.")
    }
    guard !chat || prompt.ids == nil else {
      throw ValidationError("'--chat' needs a text, not '--ids'.")
    }
  }

  func run() throws {
    try model.prepare()
    let content = try prompt.read(dropsNewline: true)
    let loaded = try model.load()
    let ids: [Int32] =
      if chat, case .text(let message) = content {
        try conversation.ids(of: message, loaded.model)
      } else {
        try content.tokens { () throws(InputError) in try loaded.model.requiredTokenizer() }
      }
    let options = generation.options(logProbabilities: logprobs)
    var generator = try loaded.model.generator(ids: ids, options: options)
    let interrupt = InterruptSignal()
    var failure: InputError?
    let result = try generator.run(isCancelled: { interrupt.isReceived || failure != nil }) {
      (piece) in
      guard !json, failure == nil, !piece.text.isEmpty else { return }
      do throws(InputError) { try Output.write(piece.text) } catch { failure = error }
    }
    interrupt.stop()
    if let failure { throw failure }
    let report = GenerationReport(
      loaded, result, seed: options.sampling.seed, cacheBytes: generator.cache.byteCount)
    if json {
      try Output.write(report.json)
    } else {
      // Without a tokenizer, tokens have no text.
      let ids = result.ids.map { "\($0)" }.joined(separator: " ")
      try Output.write((loaded.model.tokenizer == nil ? ids : "") + "\n")
      Output.tell(report.text)
    }
    if result.finishReason == .cancelled { throw InterruptSignal.exitCode }
  }
}
