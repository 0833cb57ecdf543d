import ArgumentParser
import BitCore
import BitFiles
import BitTokenizers
import BitTraining

/// The options that make a vocabulary from texts.
struct VocabularyFlags: ParsableArguments {
  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Make a vocabulary from these files and folders.", valueName: "path"))
  var train: [String] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Number of tokens, the 256 bytes and <|endoftext|> among them.", valueName: "n"))
  var vocabSize: Int?

  @Option(
    name: .shortAndLong,
    help: ArgumentHelp("Folder for tokenizer.json and tokenizer_config.json.", valueName: "folder"))
  var out: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "The line that parts the documents of a file of text. (default: a file is a document)",
      valueName: "line"))
  var separator: String?

  func validate() throws {
    guard isGiven else {
      guard vocabSize == nil, out == nil, separator == nil else {
        throw ValidationError(
          "'--vocab-size', '--out' and '--separator' have no meaning without '--train'.")
      }
      return
    }
    guard let vocabSize else { throw ValidationError("'--train' needs '--vocab-size'.") }
    guard let out else { throw ValidationError("'--train' needs '--out'.") }
    guard !train.contains("") else { throw ValidationError("A path of '--train' is empty.") }
    guard out != "" else { throw ValidationError("The path of '--out' is empty.") }
    try require("--vocab-size", [vocabSize], in: BytePairTrainer.vocabularySizes)
  }

  /// Whether a vocabulary is to be made.
  var isGiven: Bool { !train.isEmpty }

  /// Makes the vocabulary, writes it, and says how many tokens it makes of the texts.
  func makeVocabulary(asJSON: Bool) throws(InputError) {
    let (size, path) = (vocabSize ?? 0, out ?? "")
    let corpus = try TextCorpus(paths: train, separator: separator)
    // A model whose vocabulary is another would read nonsense from then on.
    if try OutputFolder.exists(path, with: "config.json") {
      throw InputError(
        .mismatch, source: "--out \(path)", found: "the config.json of a model",
        expected: "a folder without one, since the tokenizer of the model would be replaced")
    }
    var trainer = BytePairTrainer()
    var bytes = 0
    try forEachText(of: corpus) { (text) throws(InputError) in
      try trainer.add(text)
      bytes += text.utf8.count
    }
    let definition = try trainer.train(vocabularySize: size)
    let tokenizer = try Tokenizer(definition)
    var tokens = 0
    try forEachText(of: corpus) { (text) throws(InputError) in
      tokens += try tokenizer.encode(text).count
    }
    _ = try OutputFolder(path, option: "--out")
    try definition.write(to: path)
    if asJSON {
      try Output.write([
        "vocab_size": .integer(Int64(size)), "documents": .integer(Int64(corpus.count)),
        "bytes": .integer(Int64(bytes)), "tokens": .integer(Int64(tokens)), "out": .string(path),
      ])
    } else {
      let ratio = NumberText.fixed(Double(bytes) / Double(max(1, tokens)), decimals: 2)
      try Output.write(
        """
        Vocabulary of \(NumberText.grouped(size)) tokens in \(path)
        Of \(NumberText.grouped(bytes)) bytes of text it makes \(NumberText.grouped(tokens)) tokens, \
        one for \(ratio) bytes

        """)
    }
  }

  private func forEachText(
    of corpus: TextCorpus, _ body: (String) throws(InputError) -> Void
  ) throws(InputError) {
    for index in 0..<corpus.count {
      for text in try corpus.document(at: index).texts { try body(text) }
    }
  }
}
