import BitCore
import BitFiles

extension TokenizerDefinition {
  /// The tokenizer as the bytes of a tokenizer.json, which the Python packages tokenizers and
  /// transformers read.
  ///
  /// - Throws: `InputError` of kind `.unsupported` if merges cannot express its scores.
  public func tokenizerJSON() throws(InputError) -> [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity(tokens.bytes.count * 8)
    let head: JSONObject = [
      "version": "1.0", "truncation": nil, "padding": nil,
      "added_tokens": .array(addedTokens.sorted { $0.id < $1.id }.map(\.json)),
      "normalizer": Self.sequence(normalizers.map(\.json), "normalizers"),
      "pre_tokenizer": Self.sequence(preTokenizers.map(\.json), "pretokenizers"),
      "post_processor": Self.sequence(postProcessors.map(\.json), "processors"),
      "decoder": Self.sequence(decoders.map(\.json), "decoders"),
    ]
    JSONValue.object(head).encode(to: &text)
    text.removeLast()
    text += #","model":"#.utf8
    try appendModel(to: &text)
    text += "}\n".utf8
    return text
  }

  private func appendModel(to text: inout [UInt8]) throws(InputError) {
    let flags: JSONObject = [
      "type": "BPE", "dropout": nil,
      "unk_token": model.unknown.map { .string(tokens.text(Int($0))) } ?? nil,
      "continuing_subword_prefix": nil, "end_of_word_suffix": nil,
      "fuse_unk": .bool(model.fusesUnknown), "byte_fallback": .bool(model.hasByteFallback),
      "ignore_merges": .bool(model.ignoresMerges),
    ]
    JSONValue.object(flags).encode(to: &text)
    text.removeLast()
    // Token by token, since a tree of them would take much memory.
    text += #","vocab":{"#.utf8
    var isFirst = true
    let withAdded = !addedTokensFollow
    for id in 0..<tokens.count
    where !tokens[id].isEmpty && (withAdded || modelTokens.contains(id)) {
      if !isFirst { text.append(UInt8(ascii: ",")) }
      isFirst = false
      JSONValue.string(tokens.text(id)).encode(to: &text)
      text += ":\(id)".utf8
    }
    text += #"},"merges":["#.utf8
    for (place, merge) in try mergesInOrder().enumerated() {
      text += (place > 0 ? ",[" : "[").utf8
      JSONValue.string(tokens.text(Int(merge.left))).encode(to: &text)
      text.append(UInt8(ascii: ","))
      JSONValue.string(tokens.text(Int(merge.right))).encode(to: &text)
      text.append(UInt8(ascii: "]"))
    }
    text += "]}".utf8
  }

  /// Whether the ids of tokens that are only added follow those of the model without a gap. The
  /// library tokenizers numbers them so, whatever the file says, unless the vocabulary has them.
  private var addedTokensFollow: Bool {
    var next = (0..<tokens.count).count { modelTokens.contains($0) && !tokens[$0].isEmpty }
    for token in addedTokens.sorted(by: { $0.id < $1.id })
    where !modelTokens.contains(Int(token.id)) {
      guard Int(token.id) == next else { return false }
      next += 1
    }
    return true
  }

  private static func sequence(_ steps: [JSONValue], _ list: String) -> JSONValue {
    if steps.count < 2 { return steps.first ?? .null }
    return .object(JSONObject([("type", "Sequence"), (list, .array(steps))]))
  }

  /// The bytes of a tokenizer_config.json: what the one that was read says, with the special tokens
  /// and the chat template.
  public func tokenizerConfigJSON() -> [UInt8] {
    var members = configuration
    func set(_ key: String, _ id: Int32?) {
      if let id { members[key] = .string(tokens.text(Int(id))) }
    }
    set("bos_token", beginOfText)
    set("eos_token", endOfText.first)
    set("pad_token", padding)
    set("unk_token", unknownToken)
    if members["tokenizer_class"] == nil { members["tokenizer_class"] = "PreTrainedTokenizerFast" }
    if members["clean_up_tokenization_spaces"] == nil {
      members["clean_up_tokenization_spaces"] = false
    }
    if !namedChatTemplates.isEmpty {
      let all = (chatTemplate.map { [NamedTemplate(name: "default", text: $0)] } ?? [])
      members["chat_template"] = .array(
        (all + namedChatTemplates).map { ["name": .string($0.name), "template": .string($0.text)] })
    } else if let chatTemplate {
      members["chat_template"] = .string(chatTemplate)
    }
    return Array((JSONValue.object(members).indented + "\n").utf8)
  }

  /// The members of generation_config.json that a tokenizer knows: which ids begin, end and fill.
  public func generationConfigJSON() -> [UInt8] {
    var members: JSONObject = [:]
    if let beginOfText { members["bos_token_id"] = .integer(Int64(beginOfText)) }
    if endOfText.count == 1 { members["eos_token_id"] = .integer(Int64(endOfText[0])) }
    if endOfText.count > 1 {
      members["eos_token_id"] = .array(endOfText.map { .integer(Int64($0)) })
    }
    if let padding { members["pad_token_id"] = .integer(Int64(padding)) }
    return Array((JSONValue.object(members).indented + "\n").utf8)
  }
}
