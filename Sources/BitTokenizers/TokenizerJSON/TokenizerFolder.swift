import BitCore
import BitFiles

/// The files beside a tokenizer.json, which say what it does not: which tokens begin and end a text.
package struct TokenizerFolder: Sendable {
  /// tokenizer_config.json.
  var configuration: JSONObject = [:]
  /// generation_config.json, or what config.json says of the same.
  var generation: JSONObject = [:]
  /// chat_template.jinja.
  var chatTemplate: String?
  var source = "tokenizer_config.json"
  var generationSource = "generation_config.json"

  /// No files.
  package init() {}

  /// The files of a folder; those that are not there count as empty.
  package init(_ folder: String) throws(InputError) {
    source = folder + "/tokenizer_config.json"
    configuration = try Self.object(source)
    if let text = try Self.contents(folder + "/chat_template.jinja") {
      guard let text = String(validating: text, as: UTF8.self) else {
        throw InputError(
          .malformed, source: folder + "/chat_template.jinja", found: "bytes that are not UTF-8",
          expected: "UTF-8")
      }
      chatTemplate = text
    }
    generationSource = folder + "/generation_config.json"
    generation = try Self.object(generationSource)
    if generation["eos_token_id"] == nil {
      generationSource = folder + "/config.json"
      generation = try Self.object(generationSource)
    }
  }

  /// The files as they are in memory; nil for one that is not there.
  package init(
    tokenizerConfig: [UInt8]?, generationConfig: [UInt8]? = nil, chatTemplate: String? = nil
  ) throws(InputError) {
    configuration =
      try tokenizerConfig.map { (bytes) throws(InputError) in
        try Self.object(bytes, source)
      } ?? [:]
    generation =
      try generationConfig.map { (bytes) throws(InputError) in
        try Self.object(bytes, generationSource)
      } ?? [:]
    self.chatTemplate = chatTemplate
  }

  private static func contents(_ path: String) throws(InputError) -> [UInt8]? {
    do throws(InputError) {
      return try MappedFile.contents(of: path, limit: TokenizerLimits.configurationBytes)
    } catch {
      if error.kind == .missing { return nil }
      throw error
    }
  }

  private static func object(_ path: String) throws(InputError) -> JSONObject {
    guard let bytes = try contents(path) else { return [:] }
    return try object(bytes, path)
  }

  private static func object(_ bytes: [UInt8], _ source: String) throws(InputError) -> JSONObject {
    // Python's writer of these files puts infinities into none of the members read here.
    let options = JSONOptions(duplicateKeys: .keepLast, maximumValues: 1 << 20)
    let value = try JSONValue(parsing: bytes, source: source, options: options)
    guard let object = value.objectValue else {
      throw InputError(
        .malformed, source: source, found: value.kindName, expected: "an object")
    }
    return object
  }
}

extension TokenizerFolder {
  /// The added tokens of tokenizer_config.json, which older files do not repeat in tokenizer.json.
  func addedTokens() throws(InputError) -> [AddedToken] {
    guard let members = configuration["added_tokens_decoder"]?.objectValue else { return [] }
    var tokens: [AddedToken] = []
    for member in members {
      let id = Int64(member.key).map { JSONValue.integer($0) } ?? .string(member.key)
      tokens.append(try AddedToken(parsing: member.value, id: id, source: source))
    }
    return tokens
  }

  /// Adds to a definition what the files say.
  func apply(to definition: inout TokenizerDefinition) throws(InputError) {
    definition.configuration = configuration
    definition.beginOfText = try token("bos_token", definition)
    definition.padding = try token("pad_token", definition)
    definition.unknownToken = try token("unk_token", definition) ?? definition.model.unknown
    let end = try token("eos_token", definition)
    definition.endOfText = end.map { [$0] } ?? []
    for id in try ids("eos_token_id", definition) where !definition.endOfText.contains(id) {
      definition.endOfText.append(id)
    }
    if definition.beginOfText == nil {
      definition.beginOfText = try ids("bos_token_id", definition).first
    }
    try applyTemplates(to: &definition)
    try applyFlags(to: &definition)
  }

  private func token(
    _ key: String, _ definition: TokenizerDefinition
  ) throws(InputError) -> Int32? {
    guard let value = configuration[key], value != .null else { return nil }
    guard let text = value.stringValue ?? value["content"]?.stringValue else {
      throw InputError(
        .malformed, source: source, found: "\"\(key)\" that is \(value.kindName)",
        expected: "a token or null")
    }
    let added = definition.addedTokens.first { ByteKey($0.content) == ByteKey(text) }
    guard let id = added?.id ?? definition.tokens.firstID(of: text.utf8) else {
      throw InputError(
        .mismatch, source: source, found: "\"\(key)\" \(ErrorText.quoted(text))",
        expected: "a token of the vocabulary")
    }
    return id
  }

  private func ids(
    _ key: String, _ definition: TokenizerDefinition
  ) throws(InputError) -> [Int32] {
    guard let value = generation[key], value != .null else { return [] }
    let list = value.arrayValue ?? [value]
    guard list.count <= 256 else {
      throw InputError(
        .unsupported, source: generationSource, found: "\(list.count) ids in \"\(key)\"",
        expected: "at most 256")
    }
    var ids: [Int32] = []
    for value in list {
      guard let id = value.integerValue, id >= 0, id < definition.tokens.count else {
        throw InputError(
          .mismatch, source: generationSource, found: "\"\(key)\" \(ErrorText.short(value))",
          expected: "an id of the vocabulary, 0 to \(definition.tokens.count - 1)")
      }
      ids.append(Int32(id))
    }
    return ids
  }

  private func applyTemplates(to definition: inout TokenizerDefinition) throws(InputError) {
    let value = configuration["chat_template"] ?? .null
    if let text = chatTemplate ?? value.stringValue {
      definition.chatTemplate = text
    } else if let list = value.arrayValue {
      for part in list {
        guard let name = part["name"]?.stringValue, let text = part["template"]?.stringValue else {
          throw InputError(
            .malformed, source: source, found: "a chat template without name or text",
            expected: "\"name\" and \"template\"")
        }
        if name == "default" {
          definition.chatTemplate = text
        } else {
          definition.namedChatTemplates.append(.init(name: name, text: text))
        }
      }
    } else if value != .null {
      throw InputError(
        .malformed, source: source, found: "\"chat_template\" that is \(value.kindName)",
        expected: "a text")
    }
  }

  /// transformers makes the tokens around a text anew for Llama's classes, if it is told to.
  private func applyFlags(to definition: inout TokenizerDefinition) throws(InputError) {
    let name = configuration["tokenizer_class"]?.stringValue ?? ""
    guard name.utf8.starts(with: "LlamaTokenizer".utf8) else { return }
    let (begins, ends) = (try flag("add_bos_token"), try flag("add_eos_token"))
    guard begins != nil || ends != nil else { return }
    func token(_ isWanted: Bool, _ id: Int32?) -> (id: Int32, text: String)? {
      guard isWanted, let id else { return nil }
      return (id, definition.tokens.text(Int(id)))
    }
    let begin = token(begins ?? definition.addsBeginOfText, definition.beginOfText)
    let end = token(ends ?? definition.addsEndOfText, definition.endOfText.first)
    definition.postProcessors = TokenizerDefinition.around(begin: begin, end: end)
  }

  private func flag(_ key: String) throws(InputError) -> Bool? {
    guard let value = configuration[key], value != .null else { return nil }
    guard let flag = value.boolValue else {
      throw InputError(
        .malformed, source: source, found: "\"\(key)\" \(ErrorText.short(value))",
        expected: "true or false")
    }
    return flag
  }
}
