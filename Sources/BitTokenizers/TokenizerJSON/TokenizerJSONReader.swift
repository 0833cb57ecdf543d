import BitCore
import BitFiles

/// Reads a tokenizer.json from its bytes.
///
/// The vocabulary and the merges, which are nearly all of it, go straight into tables; the rest
/// becomes JSON values.
struct TokenizerJSONReader {
  let source: String
  /// Members other than "model".
  var members: JSONObject = [:]
  /// Members of "model" other than the two below.
  var model: JSONObject = [:]
  var vocabulary: VocabularyBuilder
  /// Finds the place of a token in `vocabulary`, once it has been read.
  var index: TokenIndex?
  /// Merges, with places in `vocabulary` instead of ids.
  var merges: [Merge] = []
  private var hasModel = false
  private var hasMerges = false

  init(source: String, fileBytes: Int) {
    self.source = source
    vocabulary = VocabularyBuilder(source: source, fileBytes: fileBytes)
  }

  /// Reads the whole text.
  mutating func read(_ bytes: UnsafeRawBufferPointer) throws(InputError) {
    var parser = JSONParser(bytes: bytes, source: source, options: JSONOptions())
    try parser.parseText { (parser) throws(InputError) in
      try parser.parseObject { (key, start, parser) throws(InputError) in
        guard key == "model", parser.peek == UInt8(ascii: "{") else {
          try append(key, start, &parser, to: &members)
          return
        }
        if hasModel { throw again(key, start, parser) }
        hasModel = true
        try readModel(&parser)
      }
    }
    guard hasModel else {
      throw InputError(
        .malformed, source: source, found: "no \"model\"", expected: "a tokenizer.json")
    }
  }

  private func append(
    _ key: String, _ start: Int, _ parser: inout JSONParser, to object: inout JSONObject
  ) throws(InputError) {
    if object[key] != nil { throw again(key, start, parser) }
    object.members.append(JSONObject.Member(key: key, value: try parser.parseValue()))
  }

  private func again(_ key: String, _ start: Int, _ parser: JSONParser) -> InputError {
    parser.malformed("the key \(ErrorText.quoted(key)) again at byte \(start)", "every key once")
  }

  private mutating func readModel(_ parser: inout JSONParser) throws(InputError) {
    /// Where merges are that stand before the vocabulary that they name.
    var early: Int?
    try parser.parseObject { (key, start, parser) throws(InputError) in
      switch key {
      case "vocab" where parser.peek == UInt8(ascii: "{"):
        if index != nil { throw again(key, start, parser) }
        try readVocabulary(&parser)
      case "merges" where parser.peek == UInt8(ascii: "["):
        if hasMerges { throw again(key, start, parser) }
        hasMerges = true
        if index != nil {
          try readMerges(&parser)
        } else {
          early = parser.place
          _ = try parser.parseValue()
        }
      default:
        try append(key, start, &parser, to: &model)
        try checkModel(key, model.last?.value ?? .null)
      }
    }
    if let early, index != nil {
      let end = parser.place
      parser.place = early
      try readMerges(&parser)
      parser.place = end
    }
  }

  private mutating func readVocabulary(_ parser: inout JSONParser) throws(InputError) {
    try parser.parseObject { (parser) throws(InputError) in
      try vocabulary.appendText(&parser)
    } value: { (start, parser) throws(InputError) in
      try parser.countValue()
      guard let id = parser.takeShortInteger() else { throw parser.unexpected("an id") }
      try vocabulary.append(id: id)
    }
    let (texts, source) = (vocabulary.texts, source)
    index = try TokenIndex(texts) { (_: Int, second: Int) throws(InputError) -> Void in
      throw InputError(
        .malformed, source: source,
        found: "the token \(ErrorText.quoted(texts.text(second))) twice", expected: "it once")
    }
  }

  private mutating func readMerges(_ parser: inout JSONParser) throws(InputError) {
    guard let index else { return }
    var reader = MergeListReader(index)
    try reader.read(&parser)
    merges = reader.merges
  }
}
