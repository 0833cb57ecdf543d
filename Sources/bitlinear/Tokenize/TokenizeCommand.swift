import ArgumentParser
import BitCore
import BitFiles
import BitTokenizers

struct TokenizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tokenize",
    abstract: "Turn text into the ids of tokens, or back; or make a vocabulary.",
    discussion: """
      Takes a model of any kind, whose weights are not read, or a tokenizer.json. Prints the id \
      and the text of each token on a line of its own; what is no UTF-8 by itself shows as \\xE4, \
      a line break as \\n.

      With --train, makes a vocabulary of bytes and their frequent sequences from texts, and writes \
      tokenizer.json and tokenizer_config.json, which the Python packages tokenizers and \
      transformers read, too. A path may be a file of text in UTF-8, a .jsonl file with "text", \
      "prompt" and "completion" or "messages" on each line, or a folder with .txt and .jsonl files.
      """)

  @OptionGroup var model: OptionalModelPathFlags

  @OptionGroup(title: "Options for a new vocabulary") var training: VocabularyFlags

  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp("The text. (default: standard input)", valueName: "text"))
  var prompt: String?

  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp("The file with the text; - for standard input.", valueName: "path"))
  var file: String?

  @Flag(name: .customLong("no-bos"), help: "Do not put special tokens around the text.")
  var omitsSpecial = false

  @Flag(help: "Take the names of special tokens in the text as text like any other.")
  var noParseSpecial = false

  @Flag(help: "Print the ids only, as [1, 2, 3].")
  var ids = false

  @Flag(help: "Take the text as ids, such as 1,2,3, and print the text of these.")
  var decode = false

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    if training.isGiven {
      guard model.path == nil, prompt == nil, file == nil, !(omitsSpecial || noParseSpecial),
        !(ids || decode)
      else {
        throw ValidationError(
          "'--train' makes a vocabulary, so a model, '--prompt', '--file', '--no-bos', "
            + "'--no-parse-special', '--ids' and '--decode' have no meaning with it.")
      }
      return
    }
    guard model.path != nil else { throw ModelPathFlags.missing }
    guard prompt == nil || file == nil else {
      throw ValidationError("Please provide '--prompt' or '--file', not both.")
    }
    guard file != "" else { throw ValidationError("The path of '--file' is empty.") }
    guard !(ids && json) else {
      throw ValidationError("Please provide '--ids' or '--json', not both.")
    }
    guard !decode || !(ids || omitsSpecial || noParseSpecial) else {
      throw ValidationError(
        "'--decode' goes from ids to text, so '--ids', '--no-bos' and '--no-parse-special' have no "
          + "meaning with it.")
    }
    guard prompt != nil || file != nil || !TextInput.isTerminal else {
      throw ValidationError("Please provide a text: '--prompt', '--file' or standard input.")
    }
  }

  func run() throws {
    if training.isGiven { return try training.makeVocabulary(asJSON: json) }
    let definition = try TokenizerDefinition(path: model.path ?? "")
    definition.warnings.forEach(Output.warn)
    let tokenizer = try Tokenizer(definition)
    let text = try prompt ?? TextInput(path: file ?? "-").text()
    try decode ? printText(of: text, tokenizer) : printTokens(of: text, tokenizer)
  }

  private func printTokens(of text: String, _ tokenizer: Tokenizer) throws(InputError) {
    let tokens = try tokenizer.encode(
      text, addSpecialTokens: !omitsSpecial, parseSpecial: !noParseSpecial)
    if json {
      try Output.write([
        "ids": .array(tokens.map { .integer(Int64($0)) }),
        "pieces": .array(
          tokens.map { .string(String(decoding: tokenizer.bytes(of: $0), as: UTF8.self)) }),
      ])
    } else if ids {
      try Output.write("[\(tokens.map(\.description).joined(separator: ", "))]\n")
    } else {
      let width = tokens.map { $0.description.count }.max() ?? 0
      try Output.write(
        tokens.map { id in
          String(repeating: " ", count: width - id.description.count)
            + "\(id) '\(PieceText.escaped(tokenizer.bytes(of: id)))'\n"
        }.joined())
    }
  }

  private func printText(of list: String, _ tokenizer: Tokenizer) throws(InputError) {
    guard let tokens = TokenIDs(argument: list)?.values else {
      throw InputError(
        .malformed, source: prompt == nil ? file ?? "standard input" : "--prompt",
        found: ErrorText.quoted(list), expected: "ids with commas or spaces between them")
    }
    if let id = tokens.first(where: { tokenizer.name(of: $0) == nil }) {
      throw InputError(
        .mismatch, source: prompt == nil ? file ?? "standard input" : "--prompt",
        found: "the id \(id)", expected: "ids of tokens, below \(tokenizer.vocabularySize)")
    }
    let text = tokenizer.decode(tokens)
    if json {
      try Output.write([
        "ids": .array(tokens.map { .integer(Int64($0)) }), "text": .string(text),
      ])
    } else {
      try Output.write(text + "\n")
    }
  }
}
