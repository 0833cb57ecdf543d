import ArgumentParser
import BitCore
import BitFiles
import BitLM

struct EmbedCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "embed", abstract: "Turn texts into vectors.",
    discussion: """
      Each line of the input is a text; with --prompt or --ids there is one. Prints the last hidden \
      state of each text, or the mean of all where the model says so, as a JSON array on a line \
      of its own. The tokens that the tokenizer puts around a text are part of it, such as the one \
      at the end that embedding models look at.
      """)

  @OptionGroup var model: ModelFlags
  @OptionGroup var prompt: PromptFlags

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "How to normalize vectors: 2 for a Euclidean length of 1, -1 not at all.", valueName: "n"))
  var embdNormalize = 2

  @Flag(help: "Do not normalize vectors, as --embd-normalize -1.")
  var noNormalize = false

  @Flag(help: "Print one JSON object with all vectors.")
  var json = false

  func validate() throws {
    guard [2, -1].contains(embdNormalize) else {
      throw ValidationError(
        "The value '\(embdNormalize)' is invalid for '--embd-normalize'. Please provide 2 or -1.")
    }
  }

  func run() throws {
    try self.model.prepare()
    let texts = try readTexts()
    let model = try self.model.load().model
    let isNormalized = embdNormalize == 2 && !noNormalize
    var objects: [JSONValue] = []
    for (index, text) in texts.enumerated() {
      let ids = try text.tokens { () throws(InputError) in try model.requiredTokenizer() }
      let source = texts.count > 1 ? "text \(index + 1)" : "text"
      try WindowReader.check(ids, for: model, source: source)
      let numbers = try model.embedding(ids: ids, isNormalized: isNormalized)
      guard numbers.allSatisfy(\.isFinite) else {
        throw InputError(
          .notFinite, source: source, found: "a vector with NaN or an infinity",
          expected: "numbers, which a model with finite weights gives")
      }
      // The shortest digits that are this float, not those of the double.
      let vector = JSONValue.array(numbers.map { .number(Double($0.description) ?? Double($0)) })
      if json {
        objects.append([
          "index": .integer(Int64(index)), "tokens": .integer(Int64(ids.count)),
          "embedding": vector,
        ])
      } else {
        try Output.write(vector)
      }
    }
    guard json else { return }
    try Output.write([
      "model": .string(model.path), "dimensions": .integer(Int64(model.configuration.hiddenSize)),
      "normalized": .bool(isNormalized), "data": .array(objects),
    ])
  }

  /// The texts: the lines of a file, or the one that was given.
  private func readTexts() throws(InputError) -> [PromptFlags.Content] {
    let content = try prompt.read(dropsNewline: true)
    guard case .text(let text) = content, prompt.prompt == nil else { return [content] }
    // On scalars: a line break and what follows it may be one Character.
    return text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map {
      .text(String($0.last == "\r" ? $0.dropLast() : $0))
    }
  }
}
