import BitCore
import BitFiles

extension TokenizerJSONReader {
  /// The definition of what has been read; `added` are further added tokens, by tokenizer_config.json.
  func definition(adding added: [AddedToken] = []) throws(InputError) -> TokenizerDefinition {
    try checkMembers()
    guard index != nil else { throw unsupported("no \"model.vocab\"", "a vocabulary") }
    var addedTokens = try readAddedTokens()
    let known = Set(addedTokens.map(\.id))
    addedTokens += added.filter { !known.contains($0.id) }
    let (tokens, members) = try vocabulary.finish(adding: addedTokens)
    var model = TokenizerModel(order: .merges(merges.map(withIDs)))
    model.ignoresMerges = try flag("ignore_merges")
    model.hasByteFallback = try flag("byte_fallback")
    model.fusesUnknown = try flag("fuse_unk")
    model.unknown = try readUnknown()
    var definition = TokenizerDefinition(
      source: source, tokens: tokens, modelTokens: members, model: model)
    definition.addedTokens = addedTokens
    let steps = TokenizerSteps(source: source)
    definition.normalizers = try steps.normalizers(member("normalizer"))
    definition.preTokenizers = try steps.preTokenizers(member("pre_tokenizer"))
    definition.postProcessors = try steps.postProcessors(member("post_processor"))
    definition.decoders = try steps.decoders(member("decoder"))
    try definition.checkTemplates()
    return definition
  }

  private func member(_ key: String) -> JSONValue { members[key] ?? .null }

  private func withIDs(_ merge: Merge) -> Merge {
    Merge(
      left: vocabulary.ids[Int(merge.left)], right: vocabulary.ids[Int(merge.right)],
      result: vocabulary.ids[Int(merge.result)])
  }

  /// What is not read must say nothing.
  private func checkMembers() throws(InputError) {
    for (key, value) in members.map({ ($0.key, $0.value) }) {
      switch key {
      case "version":
        guard value == "1.0" else {
          throw unsupported("\"version\" \(ErrorText.short(value))", "\"1.0\"")
        }
      case "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer",
        "post_processor", "decoder":
        break
      default:
        throw unsupported("the member \(ErrorText.quoted(key))", "those of tokenizer.json 1.0")
      }
    }
  }

  /// A member of "model" that is not read must say nothing. Checked before what follows is read, so
  /// that an error names the cause, not what comes of it.
  func checkModel(_ key: String, _ value: JSONValue) throws(InputError) {
    switch key {
    case "type":
      guard value == "BPE" else {
        throw unsupported("model.type \(ErrorText.short(value))", "\"BPE\"")
      }
    case "ignore_merges", "byte_fallback", "fuse_unk", "unk_token", "cache_capacity": break
    case "dropout" where value.doubleValue == 0: break
    case "continuing_subword_prefix" where value == "", "end_of_word_suffix" where value == "":
      break
    default:
      guard value == .null else {
        throw unsupported(
          "model.\(key.utf8.count < 80 ? key : ErrorText.quoted(key)) \(ErrorText.short(value))",
          "byte-pair encoding without it")
      }
    }
  }

  private func flag(_ key: String) throws(InputError) -> Bool {
    guard let value = model[key], value != .null else { return false }
    guard let flag = value.boolValue else {
      throw malformed("model.\(key) \(ErrorText.short(value))", "true or false")
    }
    return flag
  }

  private func readUnknown() throws(InputError) -> Int32? {
    guard let value = model["unk_token"], value != .null else { return nil }
    guard let text = value.stringValue else {
      throw malformed("model.unk_token \(ErrorText.short(value))", "a token or null")
    }
    guard let place = index?.find(text.utf8) else {
      throw malformed(
        "model.unk_token \(ErrorText.quoted(text)), which is not in the vocabulary", "a token")
    }
    return vocabulary.ids[place]
  }

  private func readAddedTokens() throws(InputError) -> [AddedToken] {
    guard let value = members["added_tokens"], value != .null else { return [] }
    guard let list = value.arrayValue else {
      throw malformed("\"added_tokens\" that is \(value.kindName)", "an array")
    }
    var tokens: [AddedToken] = []
    var seen: [ByteKey: Int32] = [:]
    for value in list {
      let token = try AddedToken(parsing: value, id: value["id"], source: source)
      if let other = seen.updateValue(token.id, forKey: ByteKey(token.content)) {
        throw malformed(
          "the added token \(ErrorText.quoted(token.content)) as \(other) and \(token.id)",
          "one id for it")
      }
      // The model's own token of that text must have the same id.
      if let place = index?.find(token.content.utf8), vocabulary.ids[place] != token.id {
        throw malformed(
          "the added token \(ErrorText.quoted(token.content)) with id \(token.id)",
          "\(vocabulary.ids[place]) as in the vocabulary")
      }
      tokens.append(token)
    }
    return tokens
  }

  private func unsupported(_ found: String, _ expected: String) -> InputError {
    InputError(.unsupported, source: source, found: found, expected: expected)
  }

  private func malformed(_ found: String, _ expected: String) -> InputError {
    InputError(.malformed, source: source, found: found, expected: expected)
  }
}

extension AddedToken {
  /// The token of an element of "added_tokens", or of a member of "added_tokens_decoder".
  init(parsing value: JSONValue, id: JSONValue?, source: String) throws(InputError) {
    func malformed(_ found: String, _ expected: String) -> InputError {
      InputError(.malformed, source: source, found: found, expected: expected)
    }
    guard let content = value["content"]?.stringValue, !content.isEmpty else {
      throw malformed("an added token without text", "\"content\"")
    }
    guard content.utf8.count <= TokenizerLimits.addedTokenBytes else {
      throw malformed(
        "an added token of \(content.utf8.count) bytes",
        "at most \(TokenizerLimits.addedTokenBytes)")
    }
    let name = ErrorText.quoted(content)
    guard let id = id?.integerValue, id >= 0, id < TokenizerLimits.tokens else {
      let found = id.map { ErrorText.short($0) } ?? "none"
      throw malformed(
        "the id \(found) of the added token \(name)", "0 to \(TokenizerLimits.tokens - 1)")
    }
    func flag(_ key: String, _ missing: Bool) throws(InputError) -> Bool {
      guard let value = value[key] else { return missing }
      guard let flag = value.boolValue else {
        throw malformed("\"\(key)\" of the added token \(name)", "true or false")
      }
      return flag
    }
    self.init(id: Int32(id), content: content, isSpecial: try flag("special", false))
    stripsLeft = try flag("lstrip", false)
    stripsRight = try flag("rstrip", false)
    isSingleWord = try flag("single_word", false)
    isNormalized = try flag("normalized", !isSpecial)
  }
}
