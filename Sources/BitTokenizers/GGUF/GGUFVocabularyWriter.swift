import BitCore
import BitFiles

extension TokenizerDefinition {
  /// The tokenizer as GGUF metadata, which llama.cpp reads.
  ///
  /// - Throws: `InputError` of kind `.unsupported` that names what GGUF cannot express.
  package func ggufVocabulary() throws(InputError) -> GGUFVocabulary {
    try GGUFVocabularyWriter(definition: self).write()
  }
}

/// Makes the GGUF vocabulary of a definition.
struct GGUFVocabularyWriter {
  let definition: TokenizerDefinition

  func write() throws(InputError) -> GGUFVocabulary {
    try checkAddedTokens()
    var vocabulary = GGUFVocabulary(
      model: definition.isByteLevel ? "gpt2" : "llama", tokens: tokensWithoutHoles())
    vocabulary.types = types()
    if definition.isByteLevel {
      try addBytePairs(to: &vocabulary)
    } else {
      try addScores(to: &vocabulary)
    }
    try addSpecial(to: &vocabulary)
    vocabulary.chatTemplate = definition.chatTemplate
    vocabulary.namedChatTemplates = definition.namedChatTemplates
    return vocabulary
  }

  func unsupported(_ found: String, _ expected: String) -> InputError {
    InputError(.unsupported, source: definition.source, found: found, expected: expected)
  }

  private func checkAddedTokens() throws(InputError) {
    for token in definition.addedTokens {
      let name = ErrorText.quoted(token.content)
      if token.stripsLeft || token.stripsRight || token.isSingleWord {
        throw unsupported(
          "the added token \(name) with lstrip, rstrip or single_word",
          "none of them, since GGUF cannot express it")
      }
      if token.isNormalized, !definition.normalizers.isEmpty {
        throw unsupported(
          "the added token \(name) that is looked for in normalized text",
          "\"normalized\": false, since GGUF cannot express it")
      }
    }
  }

  /// Every id needs a text of its own; those without a token get the name that llama.cpp's converter
  /// gives them.
  private func tokensWithoutHoles() -> TokenTable {
    let tokens = definition.tokens
    guard (0..<tokens.count).contains(where: { tokens[$0].isEmpty }) else { return tokens }
    var filled = TokenTable()
    for id in 0..<tokens.count {
      filled.append(tokens[id].isEmpty ? ArraySlice("[PAD\(id)]".utf8) : tokens[id])
    }
    return filled
  }

  private func types() -> [Int32] {
    typealias TokenType = GGUFVocabulary.TokenType
    var types = [TokenType](repeating: .normal, count: definition.tokens.count)
    for id in types.indices where definition.tokens[id].isEmpty { types[id] = .unused }
    for id in definition.unusedTokens { types[Int(id)] = .unused }
    if !definition.isByteLevel {
      for id in definition.fallbackTokens() where id >= 0 { types[Int(id)] = .byte }
    }
    for token in definition.addedTokens {
      types[Int(token.id)] = token.isSpecial ? .control : .userDefined
    }
    if !definition.isByteLevel, let unknown = definition.model.unknown {
      types[Int(unknown)] = .unknown
    }
    return types.map(\.rawValue)
  }

  private func addSpecial(to vocabulary: inout GGUFVocabulary) throws(InputError) {
    vocabulary.beginOfText = definition.beginOfText.map { Int($0) }
    vocabulary.endOfText = definition.endOfText.first.map { Int($0) }
    vocabulary.padding = definition.padding.map { Int($0) }
    vocabulary.unknown = definition.unknownToken.map { Int($0) }
    try addFurtherEnds(to: &vocabulary)
    let around = definition.around
    let (begin, end) = (definition.beginOfText, definition.endOfText.first)
    guard around.before.isEmpty || around.before == begin.map({ [$0] }),
      around.after.isEmpty || around.after == end.map({ [$0] })
    else {
      throw unsupported(
        "the tokens \(ErrorText.list((around.before + around.after).map { Int($0) })) around a text",
        "the one that begins a text and the one that ends it, since GGUF knows no others")
    }
    vocabulary.addsBeginOfText = !around.before.isEmpty
    vocabulary.addsEndOfText = !around.after.isEmpty
  }

  /// llama.cpp finds tokens that end a turn by their names; for two others there are keys.
  private func addFurtherEnds(to vocabulary: inout GGUFVocabulary) throws(InputError) {
    let names = Set(TokenizerDefinition.turnEnds.map { ByteKey($0) })
    for id in definition.endOfText.dropFirst() {
      if names.contains(ByteKey(definition.tokens.text(Int(id)))) { continue }
      if vocabulary.endOfTurn == nil {
        vocabulary.endOfTurn = Int(id)
      } else if vocabulary.endOfMessage == nil {
        vocabulary.endOfMessage = Int(id)
      } else {
        throw unsupported(
          "more than three tokens that end a text", "at most three, since GGUF has no more keys")
      }
    }
  }
}
