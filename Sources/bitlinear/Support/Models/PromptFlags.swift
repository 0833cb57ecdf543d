import ArgumentParser
import BitCore
import BitTokenizers

/// The options that say which text a model gets.
struct PromptFlags: ParsableArguments {
  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp("The text.", valueName: "text"))
  var prompt: String?

  @Option(
    name: .shortAndLong, parsing: .unconditional,
    help: ArgumentHelp(
      "The file with the text; - for standard input, which is read too if no text is given.",
      valueName: "path"))
  var file: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The text as the ids of its tokens.", valueName: "id,..."))
  var ids: TokenIDs?

  func validate() throws {
    let given = [
      prompt.map { _ in "--prompt" }, file.map { _ in "--file" }, ids.map { _ in "--ids" },
    ].compactMap { $0 }
    guard given.count < 2 else {
      throw ValidationError("Please provide '\(given[0])' or '\(given[1])', not both.")
    }
    guard ids?.values.isEmpty != true else {
      throw ValidationError("The list of '--ids' is empty.")
    }
    guard file != "" else { throw ValidationError("The path of '--file' is empty.") }
    guard !given.isEmpty || !TextInput.isTerminal else {
      throw ValidationError(
        "Please provide a text: '--prompt', '--file', '--ids' or standard input.")
    }
  }

  /// A text, or the tokens of one.
  enum Content {
    case text(String)
    case ids([Int32])
  }

  /// Reads what was given.
  ///
  /// - Parameter dropsNewline: whether to leave out one line break at the end of a file.
  func read(dropsNewline: Bool) throws(InputError) -> Content {
    if let ids { return .ids(ids.values) }
    if let prompt { return .text(prompt) }
    return .text(try TextInput(path: file ?? "-").text(dropsNewline: dropsNewline))
  }
}

extension PromptFlags.Content {
  /// The tokens, with those that the tokenizer puts around a text.
  func tokens(_ tokenizer: () throws(InputError) -> Tokenizer) throws(InputError) -> [Int32] {
    switch self {
    case .ids(let ids): ids
    case .text(let text): try tokenizer().encode(text)
    }
  }
}
