import BitCore
import BitFiles

// The members of single steps.

extension TokenizerSteps {
  func byteLevel(_ value: JSONValue) throws(InputError) -> PreTokenizerStep.ByteLevel {
    .init(
      addsPrefixSpace: try flag(value, "add_prefix_space", of: "ByteLevel", true),
      trimsOffsets: try flag(value, "trim_offsets", of: "ByteLevel", true),
      usesPattern: try flag(value, "use_regex", of: "ByteLevel", true))
  }

  func metaspace(_ value: JSONValue) throws(InputError) -> PreTokenizerStep.Metaspace {
    let mark = try text(value, "replacement", of: "Metaspace")
    guard mark.unicodeScalars.count == 1 else {
      throw malformed("the replacement \(ErrorText.quoted(mark)) of Metaspace", "one character")
    }
    var step = PreTokenizerStep.Metaspace(
      mark: mark, splits: try flag(value, "split", of: "Metaspace", true))
    if let scheme = value["prepend_scheme"] {
      guard let prefix = scheme.stringValue.flatMap(PreTokenizerStep.Metaspace.Prefix.init) else {
        throw unknown(
          "prepend_scheme of Metaspace", ErrorText.short(scheme), "always, first, never")
      }
      step.prefix = prefix
    } else if try !flag(value, "add_prefix_space", of: "Metaspace", true) {
      step.prefix = .never
    }
    return step
  }

  func splitPattern(_ value: JSONValue) throws(InputError) -> SplitPattern {
    guard let expression = value["pattern"]?["Regex"]?.stringValue else {
      let found = value["pattern"]?["String"].map { "the string \(ErrorText.short($0))" }
      throw InputError(
        .unsupported, source: source, found: "a Split by \(found ?? "nothing")",
        expected: "a known regular expression")
    }
    guard let pattern = SplitPattern(expression: expression) else {
      throw InputError(
        .unsupported, source: source,
        found: "a Split by the regular expression \(ErrorText.quoted(expression))",
        expected: "one of Llama 3, Qwen 2, Qwen 3.5, GPT-2 or Falcon")
    }
    let behavior = value["behavior"]?.stringValue ?? ""
    let isInverted = try flag(value, "invert", of: "Split", false)
    // A pattern that matches all of a text leaves nothing between the matches to remove.
    let isCovering = pattern != .digit && pattern != .threeDigits
    switch (behavior, isInverted) {
    case ("Isolated", false): break
    case ("Removed", true) where isCovering: break
    default:
      throw InputError(
        .unsupported, source: source,
        found: "a Split of behavior \(ErrorText.quoted(behavior)), invert \(isInverted)",
        expected: "\"Isolated\", invert false")
    }
    return pattern
  }

  func replacement(_ value: JSONValue) throws(InputError) -> (pattern: String, content: String) {
    guard let pattern = value["pattern"]?["String"]?.stringValue, !pattern.isEmpty else {
      let found = value["pattern"]?["Regex"].map { "the expression \(ErrorText.short($0))" }
      throw InputError(
        .unsupported, source: source, found: "a Replace of \(found ?? "nothing")",
        expected: "a string to replace")
    }
    let content = try text(value, "content", of: "Replace")
    return (try checked(pattern, "a Replace"), content)
  }

  func template(_ value: JSONValue) throws(InputError) -> PostProcessorTemplate {
    guard let list = value["special_tokens"]?.objectValue else {
      throw malformed("TemplateProcessing without \"special_tokens\"", "an object")
    }
    var tokens: [PostProcessorTemplate.Special] = []
    for member in list {
      guard let ids = member.value["ids"]?.arrayValue, ids.count <= 256,
        let texts = member.value["tokens"]?.arrayValue, texts.count == ids.count
      else { throw malformed("special token \(ErrorText.quoted(member.key))", "ids and tokens") }
      var special = PostProcessorTemplate.Special(name: member.key, ids: [], texts: [])
      for (id, text) in zip(ids, texts) {
        guard let id = id.integerValue, let id = Int32(exactly: id), let text = text.stringValue
        else { throw malformed("special token \(ErrorText.quoted(member.key))", "ids and tokens") }
        special.ids.append(id)
        special.texts.append(text)
      }
      tokens.append(special)
    }
    let template = PostProcessorTemplate(
      single: try parts(value, "single", tokens), pair: try parts(value, "pair", tokens),
      tokens: tokens)
    let texts = template.single.filter { if case .text = $0 { true } else { false } }
    guard texts.count == 1, case .text("A", _) = texts[0] else {
      throw malformed("TemplateProcessing whose \"single\" has \(texts.count) texts", "$A once")
    }
    return template
  }

  private func parts(
    _ value: JSONValue, _ key: String, _ tokens: [PostProcessorTemplate.Special]
  ) throws(InputError) -> [PostProcessorTemplate.Part] {
    guard let list = value[key]?.arrayValue, list.count <= 256 else {
      throw malformed("TemplateProcessing without \"\(key)\"", "an array")
    }
    var parts: [PostProcessorTemplate.Part] = []
    for part in list {
      let isSpecial = part["SpecialToken"] != nil
      let content = part["SpecialToken"] ?? part["Sequence"]
      guard let name = content?["id"]?.stringValue, let type = content?["type_id"]?.integerValue
      else { throw malformed("a part of \"\(key)\" of TemplateProcessing", "an id and a type") }
      if isSpecial {
        guard tokens.contains(where: { ByteKey($0.name) == ByteKey(name) }) else {
          throw malformed(
            "\(ErrorText.quoted(name)) in TemplateProcessing", "a name of its \"special_tokens\"")
        }
        parts.append(.special(name: name, type: type))
      } else {
        guard name == "A" || name == "B" else {
          throw malformed("the text \(ErrorText.quoted(name)) in TemplateProcessing", "A or B")
        }
        parts.append(.text(name: name, type: type))
      }
    }
    return parts
  }

  func flag(
    _ value: JSONValue, _ key: String, of type: String, _ missing: Bool
  ) throws(InputError) -> Bool {
    guard let member = value[key] else { return missing }
    guard let flag = member.boolValue else {
      throw malformed("\"\(key)\" \(ErrorText.short(member)) of \(type)", "true or false")
    }
    return flag
  }

  func text(_ value: JSONValue, _ key: String, of type: String) throws(InputError) -> String {
    guard let text = value[key]?.stringValue else {
      throw malformed("\(type) without \"\(key)\"", "a string")
    }
    return try checked(text, type)
  }

  private func checked(_ text: String, _ type: String) throws(InputError) -> String {
    guard text.utf8.count <= TokenizerLimits.insertedBytes else {
      throw malformed(
        "\(text.utf8.count) bytes in \(type)", "at most \(TokenizerLimits.insertedBytes)")
    }
    return text
  }

  func count(_ value: JSONValue, _ key: String, of type: String) throws(InputError) -> Int {
    guard let count = value[key]?.integerValue, (0...1024).contains(count) else {
      throw malformed("\"\(key)\" of \(type)", "0 to 1024")
    }
    return Int(count)
  }

  func unknown(_ role: String, _ type: String, _ expected: String) -> InputError {
    InputError(
      .unsupported, source: source, found: "the \(role) \(ErrorText.quoted(type))",
      expected: expected)
  }

  func malformed(_ found: String, _ expected: String) -> InputError {
    InputError(.malformed, source: source, found: found, expected: expected)
  }
}
