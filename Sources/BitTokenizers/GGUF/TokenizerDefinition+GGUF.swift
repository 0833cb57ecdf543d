import BitCore
import BitFiles

extension TokenizerDefinition {
  /// The tokenizer of a GGUF file.
  ///
  /// - Throws: `InputError` that names the key, what was found and what was expected.
  package init(_ vocabulary: GGUFVocabulary, source: String = "GGUF") throws(InputError) {
    var reader = GGUFVocabularyReader(vocabulary, source)
    self = try reader.read()
  }
}

/// Makes a definition of a GGUF vocabulary.
struct GGUFVocabularyReader {
  let vocabulary: GGUFVocabulary
  let source: String
  var warnings: [String] = []
  var types: [GGUFVocabulary.TokenType] = []
  var tokens: TokenTable

  init(_ vocabulary: GGUFVocabulary, _ source: String) {
    self.vocabulary = vocabulary
    self.source = source
    tokens = vocabulary.tokens
  }

  mutating func read() throws(InputError) -> TokenizerDefinition {
    try readTypes()
    try checkTokens()
    try removeGluedBegin()
    let index = try TokenIndex(tokens) { (first: Int, second: Int) throws(InputError) -> Void in
      throw malformed(
        "tokens", "\(ErrorText.quoted(tokens.text(second))) as \(first) and \(second)", "it once")
    }
    var definition: TokenizerDefinition
    switch vocabulary.model {
    case "gpt2": definition = try bytePairs(index)
    case "llama": definition = try scored()
    default:
      throw InputError(
        .unsupported, source: source,
        found: "tokenizer.ggml.model \(ErrorText.quoted(vocabulary.model))",
        expected: "gpt2 or llama")
    }
    definition.chatTemplate = vocabulary.chatTemplate
    definition.namedChatTemplates = vocabulary.namedChatTemplates
    definition.warnings = warnings
    return definition
  }

  private mutating func readTypes() throws(InputError) {
    guard let numbers = vocabulary.types else {
      types = Array(repeating: .normal, count: tokens.count)
      return
    }
    guard numbers.count == tokens.count else {
      throw malformed("token_type", "\(numbers.count) types", "\(tokens.count), one for each token")
    }
    types.reserveCapacity(numbers.count)
    for number in numbers {
      // Old converters wrote 0 for what they did not know.
      guard let type = number == 0 ? .normal : GGUFVocabulary.TokenType(rawValue: number) else {
        throw malformed("token_type", "the type \(number)", "1 to 6")
      }
      types.append(type)
    }
  }

  private func checkTokens() throws(InputError) {
    guard tokens.count > 0, tokens.count <= TokenizerLimits.tokens else {
      throw malformed("tokens", "\(tokens.count) tokens", "1 to \(TokenizerLimits.tokens)")
    }
    for id in 0..<tokens.count {
      let size = tokens.range(id).count
      let limit =
        isAdded(id) ? TokenizerLimits.addedTokenBytes : TokenizerLimits.tokenBytes
      guard size > 0, size <= limit else {
        throw malformed("tokens", "\(size) bytes for id \(id)", "1 to \(limit)")
      }
      guard tokens.withBytes(of: id, { UTF8Check.isValid($0) }) else {
        throw malformed("tokens", "bytes that are not UTF-8 for id \(id)", "UTF-8")
      }
    }
  }

  private func isAdded(_ id: Int) -> Bool {
    switch types[id] {
    case .control, .userDefined, .unknown: true
    case .normal, .unused, .byte: false
    }
  }

  /// Some converters put the name of the token that begins a text before those of other control
  /// tokens.
  private mutating func removeGluedBegin() throws(InputError) {
    guard let begin = try id(vocabulary.beginOfText, "bos_token_id") else { return }
    let prefix = Array(tokens[Int(begin)])
    func isGlued(_ id: Int) -> Bool {
      types[id] == .control && tokens.range(id).count > prefix.count
        && tokens[id].starts(with: prefix)
    }
    guard (0..<tokens.count).contains(where: isGlued) else { return }
    var mended = TokenTable()
    mended.reserve(tokens.count, bytes: tokens.bytes.count)
    var count = 0
    for id in 0..<tokens.count {
      mended.append(isGlued(id) ? tokens[id].dropFirst(prefix.count) : tokens[id])
      count += isGlued(id) ? 1 : 0
    }
    warnings.append(
      "\(count) control tokens have \(ErrorText.quoted(tokens.text(Int(begin)))) before their names"
        + "; it is left out")
    tokens = mended
  }

  func id(_ number: Int?, _ key: String) throws(InputError) -> Int32? {
    guard let number else { return nil }
    guard number >= 0, number < tokens.count else {
      throw malformed(key, "\(number)", "an id of the vocabulary, 0 to \(tokens.count - 1)")
    }
    return Int32(number)
  }

  func malformed(_ key: String, _ found: String, _ expected: String) -> InputError {
    InputError(
      .malformed, source: source + ", tokenizer.ggml." + key, found: found, expected: expected)
  }
}
