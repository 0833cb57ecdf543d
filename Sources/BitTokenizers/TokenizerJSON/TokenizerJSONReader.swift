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
  /// The three texts of a merge, one after the other.
  private var scratch: [UInt8] = []

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
      try vocabulary.append { (text) throws(InputError) in
        try parser.parseString(appendingTo: &text)
      }
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
    // A merge takes about 20 bytes of the file.
    merges.reserveCapacity(min((parser.bytes.count - parser.place) / 20, TokenizerLimits.merges))
    try parser.parseArray { (parser) throws(InputError) in
      guard merges.count < TokenizerLimits.merges else {
        throw parser.malformed("more merges", "at most \(TokenizerLimits.merges)")
      }
      let start = parser.place
      let split = try readPair(&parser)
      let left = try find(scratch[..<split.end], start, parser)
      let right = try find(scratch[split.start...], start, parser)
      if split.start > split.end { scratch.remove(at: split.end) }
      let result = try find(scratch[...], start, parser)
      merges.append(Merge(left: left, right: right, result: result))
    }
  }

  /// Reads "a b" or ["a","b"] into `scratch`; where the left part ends and the right one starts.
  private mutating func readPair(
    _ parser: inout JSONParser
  ) throws(InputError) -> (end: Int, start: Int) {
    scratch.removeAll(keepingCapacity: true)
    let start = parser.place
    if parser.peek == UInt8(ascii: "\"") {
      try parser.countValue()
      try parser.parseString(appendingTo: &scratch)
      guard let space = scratch.dropFirst().firstIndex(of: UInt8(ascii: " ")),
        space + 1 < scratch.count,
        !scratch[(space + 1)...].contains(UInt8(ascii: " "))
      else {
        throw parser.malformed("a merge at byte \(start) without its two tokens", "\"a b\"")
      }
      return (space, space + 1)
    }
    guard parser.peek == UInt8(ascii: "[") else { throw parser.unexpected("a merge") }
    var (count, middle) = (0, 0)
    try parser.parseArray { (parser) throws(InputError) in
      guard parser.peek == UInt8(ascii: "\""), count < 2 else {
        throw parser.unexpected("two tokens of a merge")
      }
      try parser.countValue()
      if count == 1 { middle = scratch.count }
      try parser.parseString(appendingTo: &scratch)
      count += 1
    }
    guard count == 2, middle > 0, middle < scratch.count else {
      throw parser.malformed("a merge at byte \(start) without its two tokens", "[\"a\", \"b\"]")
    }
    return (middle, middle)
  }

  private func find(
    _ text: ArraySlice<UInt8>, _ start: Int, _ parser: JSONParser
  ) throws(InputError) -> Int32 {
    guard let place = text.withUnsafeBytes({ index?.find($0) }) else {
      let name = ErrorText.quoted(String(decoding: text, as: UTF8.self))
      throw parser.malformed(
        "the token \(name) of the merge at byte \(start), which is not in the vocabulary",
        "tokens of the vocabulary")
    }
    return Int32(place)
  }
}
