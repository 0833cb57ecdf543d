import BitCore
import BitFiles

// The two models of GGUF vocabularies.

extension GGUFVocabularyReader {
  /// "gpt2".
  mutating func bytePairs(_ index: TokenIndex) throws(InputError) -> TokenizerDefinition {
    let pre = try preTokenizer()
    var model = TokenizerModel(order: .merges(try merges(index)))
    model.ignoresMerges = pre.ignoresMerges
    // Tokens outside the model's own vocabulary are only found as added tokens.
    let members = types.map { $0 != .control && $0 != .userDefined }
    var definition = TokenizerDefinition(
      source: source, tokens: tokens, modelTokens: .marked(members), model: model)
    definition.normalizers = pre.normalizers
    definition.preTokenizers = pre.preTokenizers
    definition.decoders = [.byteLevel(.init(addsPrefixSpace: false))]
    try setTokens(&definition, begins: pre.addsBeginOfText)
    return definition
  }

  private mutating func preTokenizer() throws(InputError) -> GGUFPreTokenizer {
    if let name = vocabulary.pre {
      if let pre = GGUFPreTokenizer.named(name) { return pre }
      throw InputError(
        .unsupported, source: source + ", tokenizer.ggml.pre", found: ErrorText.quoted(name),
        expected: GGUFPreTokenizer.known.flatMap(\.names).joined(separator: ", "))
    }
    guard tokens.count == 128_256, let pre = GGUFPreTokenizer.named("llama-bpe") else {
      throw InputError(
        .unsupported, source: source + ", tokenizer.ggml.pre", found: "nothing",
        expected: "the name of a pre-tokenizer (only a vocabulary of 128256 is known without it)")
    }
    warnings.append("no tokenizer.ggml.pre; with 128256 tokens it is taken for llama-bpe")
    return pre
  }

  private func merges(_ index: TokenIndex) throws(InputError) -> [Merge] {
    guard let texts = vocabulary.merges else {
      throw malformed("merges", "nothing", "the merges of a gpt2 vocabulary")
    }
    guard texts.count <= TokenizerLimits.merges else {
      throw malformed("merges", "\(texts.count) merges", "at most \(TokenizerLimits.merges)")
    }
    var merges: [Merge] = []
    merges.reserveCapacity(texts.count)
    var scratch: [UInt8] = []
    for place in 0..<texts.count {
      let text = texts[place]
      guard let space = text.dropFirst().firstIndex(of: 0x20) else {
        throw malformed("merges", ErrorText.quoted(texts.text(place)), "two tokens and a space")
      }
      scratch.removeAll(keepingCapacity: true)
      scratch.append(contentsOf: text[..<space])
      scratch.append(contentsOf: text[(space + 1)...])
      let found = text[..<space].withUnsafeBytes { index.find($0) }
      let other = text[(space + 1)...].withUnsafeBytes { index.find($0) }
      let result = scratch.withUnsafeBytes { index.find($0) }
      guard let found, let other, let result else {
        throw malformed(
          "merges", "\(ErrorText.quoted(texts.text(place))), which names no tokens",
          "two tokens that make a third")
      }
      merges.append(Merge(left: Int32(found), right: Int32(other), result: Int32(result)))
    }
    return merges
  }

  /// "llama".
  mutating func scored() throws(InputError) -> TokenizerDefinition {
    guard let scores = vocabulary.scores, scores.count == tokens.count else {
      throw malformed(
        "scores", "\(vocabulary.scores?.count ?? 0) scores", "\(tokens.count), one for each token")
    }
    guard vocabulary.removesExtraSpaces != true else {
      throw InputError(
        .unsupported, source: source, found: "tokenizer.ggml.remove_extra_whitespaces true",
        expected: "false")
    }
    var model = TokenizerModel(order: .scores(scores))
    model.hasByteFallback = types.contains(.byte)
    model.fusesUnknown = true
    model.unknown = try id(vocabulary.unknown, "unknown_token_id") ?? unknownByType()
    var definition = TokenizerDefinition(
      source: source, tokens: tokens,
      modelTokens: .marked(types.map { $0 != .userDefined && $0 != .unused }), model: model)
    let mark = "\u{2581}"
    let hasPrefix = vocabulary.addsSpacePrefix ?? true
    definition.normalizers =
      (hasPrefix ? [.prepend(mark)] : []) + [.replace(" ", with: mark)]
    definition.decoders =
      [.replace(mark, with: " "), .byteFallback, .fuse]
      + (hasPrefix ? [.strip(" ", start: 1, stop: 0)] : [])
    try setTokens(&definition, begins: true)
    return definition
  }

  private func unknownByType() -> Int32? {
    types.firstIndex(of: .unknown).map { Int32($0) }
  }

  /// Added tokens and the special ids.
  private func setTokens(
    _ definition: inout TokenizerDefinition, begins: Bool
  ) throws(InputError) {
    for (id, type) in types.enumerated() {
      switch type {
      case .control, .unknown, .userDefined:
        definition.addedTokens.append(
          AddedToken(
            id: Int32(id), content: tokens.text(id), isSpecial: type != .userDefined))
      case .unused: definition.unusedTokens.append(Int32(id))
      case .normal, .byte: break
      }
    }
    definition.beginOfText = try id(vocabulary.beginOfText, "bos_token_id")
    definition.padding = try id(vocabulary.padding, "padding_token_id")
    definition.unknownToken = try id(vocabulary.unknown, "unknown_token_id")
    for (number, key) in [
      (vocabulary.endOfText, "eos_token_id"), (vocabulary.endOfTurn, "eot_token_id"),
      (vocabulary.endOfMessage, "eom_token_id"),
    ] {
      if let id = try id(number, key), !definition.endOfText.contains(id) {
        definition.endOfText.append(id)
      }
    }
    let begin = try around(
      vocabulary.addsBeginOfText ?? (begins && definition.beginOfText != nil),
      definition.beginOfText, "bos")
    let end = try around(vocabulary.addsEndOfText ?? false, definition.endOfText.first, "eos")
    definition.postProcessors = TokenizerDefinition.around(begin: begin, end: end)
  }

  private func around(
    _ isWanted: Bool, _ id: Int32?, _ name: String
  ) throws(InputError) -> (id: Int32, text: String)? {
    guard isWanted else { return nil }
    guard let id else {
      throw malformed("add_\(name)_token", "true without a \(name)_token_id", "an id")
    }
    return (id, tokens.text(Int(id)))
  }
}
