import BitCore
import BitFiles

extension TokenizerDefinition {
  /// The name of the token that ends a text in the vocabularies made here.
  public static let endOfTextName = "<|endoftext|>"

  /// The tokenizer of models that read bytes: the id of a byte is its value, and 256 is
  /// `<|endoftext|>`. Nothing is merged.
  public static var bytes: TokenizerDefinition {
    var tokens = TokenTable()
    for byte in UInt8.min...UInt8.max { tokens.append([byte]) }
    tokens.append([])
    return .byteLevel(tokens, merges: [], endOfText: 256)
  }

  /// How text is cut for the vocabularies made here: each digit alone, the rest by GPT-2's pattern.
  static let byteLevelSteps: [PreTokenizerStep] = [
    .digits(individual: true), .byteLevel(PreTokenizerStep.ByteLevel()),
  ]

  /// A byte-level tokenizer.
  ///
  /// - Parameters:
  ///   - bytes: the bytes of each token, all 256 single bytes among them; none for `endOfText`.
  ///   - merges: the merges, the first to be made first.
  ///   - endOfText: the id of `<|endoftext|>`.
  static func byteLevel(
    _ bytes: TokenTable, merges: [Merge], endOfText: Int32
  ) -> TokenizerDefinition {
    var tokens = TokenTable()
    for id in 0..<bytes.count {
      if id == Int(endOfText) {
        tokens.append(endOfTextName.utf8)
      } else {
        tokens.append(bytes[id].lazy.flatMap { ByteAlphabet.scalars[Int($0)].utf8 })
      }
    }
    var definition = TokenizerDefinition(
      source: "tokenizer", tokens: tokens, modelTokens: .below(tokens.count),
      model: TokenizerModel(order: .merges(merges)))
    definition.addedTokens = [AddedToken(id: endOfText, content: endOfTextName, isSpecial: true)]
    definition.preTokenizers = byteLevelSteps
    definition.decoders = [.byteLevel(PreTokenizerStep.ByteLevel())]
    definition.endOfText = [endOfText]
    return definition
  }

  /// Writes tokenizer.json and tokenizer_config.json into a folder that exists, each whole or not at
  /// all. Files of these names are replaced.
  ///
  /// The Python packages tokenizers and transformers read them, and so does
  /// ``TokenizerDefinition/init(folder:)``.
  ///
  /// - Throws: `InputError` with the system's words if a file cannot be written; of kind
  ///   `.unsupported` if tokenizer.json cannot express the tokenizer.
  public func write(to folder: String) throws(InputError) {
    for (name, bytes) in [
      ("tokenizer.json", try tokenizerJSON()), ("tokenizer_config.json", tokenizerConfigJSON()),
    ] {
      try AtomicFile.write(String(decoding: bytes, as: UTF8.self), to: "\(folder)/\(name)")
    }
  }
}
