import BitCore
import BitFiles
import BitTokenizers

/// The vocabulary of a GGUF file in its metadata.
extension GGUFVocabulary {
  private static let prefix = "tokenizer.ggml."
  private static let templateKey = "tokenizer.chat_template"

  /// Reads `tokenizer.*`; nil for a file without a vocabulary.
  ///
  /// - Throws: `InputError` of kind `.malformed` for a value of a wrong type.
  package init?(_ metadata: GGUFMetadata, source: String) throws(InputError) {
    func read<T>(_ key: String, _ convert: (GGUFValue) -> T?) throws(InputError) -> T? {
      guard let value = metadata[key] else { return nil }
      guard let result = convert(value) else {
        throw InputError(
          .malformed, source: source, found: "\(key) of the type \(value.typeName)",
          expected: "another type")
      }
      return result
    }
    func integer(_ name: String) throws(InputError) -> Int? {
      try read(Self.prefix + name + "_token_id") { $0.integerValue.flatMap { Int(exactly: $0) } }
    }
    guard let tokens = try read(Self.prefix + "tokens", Self.table) else { return nil }
    self.init(model: try read(Self.prefix + "model", \.stringValue) ?? "", tokens: tokens)
    pre = try read(Self.prefix + "pre", \.stringValue)
    types = try read(Self.prefix + "token_type") { value in
      Self.numbers(value) { $0.integerValue.flatMap { Int32(exactly: $0) } }
    }
    scores = try read(Self.prefix + "scores") { value in
      Self.numbers(value) { $0.doubleValue.map { Float($0) } }
    }
    merges = try read(Self.prefix + "merges", Self.table)
    (beginOfText, endOfText) = (try integer("bos"), try integer("eos"))
    (endOfTurn, endOfMessage) = (try integer("eot"), try integer("eom"))
    (unknown, padding) = (try integer("unknown"), try integer("padding"))
    addsBeginOfText = try read(Self.prefix + "add_bos_token", \.boolValue)
    addsEndOfText = try read(Self.prefix + "add_eos_token", \.boolValue)
    addsSpacePrefix = try read(Self.prefix + "add_space_prefix", \.boolValue)
    removesExtraSpaces = try read(Self.prefix + "remove_extra_whitespaces", \.boolValue)
    chatTemplate = try read(Self.templateKey, \.stringValue)
    for name in try read("tokenizer.chat_templates", \.stringsValue) ?? [] {
      if let text = try read("\(Self.templateKey).\(name)", \.stringValue) {
        namedChatTemplates.append(.init(name: name, text: text))
      }
    }
  }

  private static func table(_ value: GGUFValue) -> TokenTable? {
    guard let array = value.arrayValue, array.isEmpty || array.first?.stringValue != nil else {
      return nil
    }
    var table = TokenTable()
    array.forEachString { table.append($0) }
    return table
  }

  private static func numbers<T>(_ value: GGUFValue, _ convert: (GGUFValue) -> T?) -> [T]? {
    guard let array = value.arrayValue else { return nil }
    let numbers = array.compactMap(convert)
    return numbers.count == array.count ? numbers : nil
  }

  /// The metadata that says the same.
  package var metadata: GGUFMetadata {
    var metadata: GGUFMetadata = [Self.prefix + "model": .string(model)]
    func set(_ name: String, _ value: GGUFValue?) {
      if let value { metadata[Self.prefix + name] = value }
    }
    func id(_ number: Int?) -> GGUFValue? { number.map { .uint32(UInt32(clamping: $0)) } }
    set("pre", pre.map(GGUFValue.string))
    set("tokens", .array(.string(Self.strings(tokens))))
    set("scores", scores.map { .array(.float32($0)) })
    set("token_type", types.map { .array(.int32($0)) })
    set("merges", merges.map { .array(.string(Self.strings($0))) })
    set("bos_token_id", id(beginOfText))
    set("eos_token_id", id(endOfText))
    set("eot_token_id", id(endOfTurn))
    set("eom_token_id", id(endOfMessage))
    set("unknown_token_id", id(unknown))
    set("padding_token_id", id(padding))
    set("add_bos_token", addsBeginOfText.map(GGUFValue.bool))
    set("add_eos_token", addsEndOfText.map(GGUFValue.bool))
    set("add_space_prefix", addsSpacePrefix.map(GGUFValue.bool))
    set("remove_extra_whitespaces", removesExtraSpaces.map(GGUFValue.bool))
    if let chatTemplate { metadata[Self.templateKey] = .string(chatTemplate) }
    if !namedChatTemplates.isEmpty {
      metadata["tokenizer.chat_templates"] = .array(.string(namedChatTemplates.map(\.name)))
      for template in namedChatTemplates {
        metadata["\(Self.templateKey).\(template.name)"] = .string(template.text)
      }
    }
    return metadata
  }

  private static func strings(_ table: TokenTable) -> [String] {
    (0..<table.count).map { table.text($0) }
  }

  /// Fills the vocabulary up to the rows of the embedding, as llama.cpp wants it.
  package mutating func pad(to count: Int) {
    guard tokens.count < count else { return }
    var types = types ?? [Int32](repeating: TokenType.normal.rawValue, count: tokens.count)
    for id in tokens.count..<count {
      tokens.append("[PAD\(id)]".utf8)
      types.append(TokenType.unused.rawValue)
      if scores != nil { scores?.append(-1000) }
    }
    self.types = types
  }

  /// Makes all ends of a text known that there are keys for.
  ///
  /// - Returns: those for which there is none.
  package mutating func setEnds(_ ids: [Int]) -> [Int] {
    var rest: [Int] = []
    for id in ids where ![endOfText, endOfTurn, endOfMessage].contains(id) {
      if endOfText == nil {
        endOfText = id
      } else if endOfTurn == nil {
        endOfTurn = id
      } else if endOfMessage == nil {
        endOfMessage = id
      } else {
        rest.append(id)
      }
    }
    return rest
  }
}
