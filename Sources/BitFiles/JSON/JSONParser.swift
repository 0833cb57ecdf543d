import BitCore

/// What to make of JSON beyond its grammar.
package struct JSONOptions: Sendable {
  /// What to do when an object has a key twice.
  package enum DuplicateKeys: Sendable {
    /// Throw.
    case reject
    /// Keep the last value, in the place of the first.
    case keepLast
    /// Keep all members, for the caller to judge.
    case keepAll
  }

  /// What to do when an object has a key twice.
  package var duplicateKeys: DuplicateKeys
  /// How many arrays and objects may be inside one another.
  package var maximumDepth: Int
  /// How many values there may be in all. Memory grows with it: a value takes two bytes of text
  /// at least but about 24 bytes of memory, a member of an object about 40.
  package var maximumValues: Int

  /// The usual options: no key twice, depth at most 64, 2^24 values.
  package init(
    duplicateKeys: DuplicateKeys = .reject, maximumDepth: Int = 64, maximumValues: Int = 1 << 24
  ) {
    self.duplicateKeys = duplicateKeys
    self.maximumDepth = maximumDepth
    self.maximumValues = maximumValues
  }
}

extension JSONValue {
  /// The value of a JSON text (RFC 8259, nothing more lenient) in UTF-8.
  ///
  /// - Parameters:
  ///   - bytes: The text, without a byte order mark.
  ///   - source: The name for errors.
  ///   - options: What to make of keys that occur twice, and limits.
  /// - Throws: ``InputError`` of kind `.malformed` that names `source` and the byte (from 0).
  package init(
    parsing bytes: UnsafeRawBufferPointer, source: String = "JSON",
    options: JSONOptions = JSONOptions()
  ) throws(InputError) {
    var parser = JSONParser(bytes: bytes, source: source, options: options)
    self = try parser.parseText()
  }

  /// The value of a JSON text; see ``init(parsing:source:options:)-(UnsafeRawBufferPointer,_,_)``.
  package init(
    parsing text: [UInt8], source: String = "JSON", options: JSONOptions = JSONOptions()
  ) throws(InputError) {
    self = try text.withUnsafeBufferPointer { (bytes) throws(InputError) in
      try JSONValue(
        parsing: UnsafeRawBufferPointer(bytes), source: source, options: options)
    }
  }

  /// The value of a JSON text; see ``init(parsing:source:options:)-(UnsafeRawBufferPointer,_,_)``.
  package init(
    parsing text: String, source: String = "JSON", options: JSONOptions = JSONOptions()
  ) throws(InputError) {
    try self.init(parsing: Array(text.utf8), source: source, options: options)
  }
}

/// Reads one JSON text by recursive descent, one function for each rule of the grammar.
package struct JSONParser {
  package let bytes: UnsafeRawBufferPointer
  package let source: String
  package let options: JSONOptions
  package var place = 0
  private var depth = 0
  private var values = 0

  package init(bytes: UnsafeRawBufferPointer, source: String, options: JSONOptions) {
    self.bytes = bytes
    self.source = source
    self.options = options
  }

  package mutating func parseText() throws(InputError) -> JSONValue {
    var value = JSONValue.null
    try parseText { (parser) throws(InputError) in value = try parser.parseValue() }
    return value
  }

  /// Reads a text whose one value `body` takes.
  package mutating func parseText(
    _ body: (inout JSONParser) throws(InputError) -> Void
  ) throws(InputError) {
    skipSpace()
    try body(&self)
    skipSpace()
    if place < bytes.count { throw unexpected("the end") }
  }

  /// Reads any value.
  package mutating func parseValue() throws(InputError) -> JSONValue {
    switch peek {
    case UInt8(ascii: "{"): return .object(try object())
    case UInt8(ascii: "["):
      var elements: [JSONValue] = []
      try parseArray { (parser) throws(InputError) in elements.append(try parser.parseValue()) }
      return .array(elements)
    default: break
    }
    try countValue()
    switch peek {
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "-"), .some(0x30...0x39): return try parseNumber()
    case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
    case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
    case UInt8(ascii: "n"): return try parseWord("null", .null)
    default: throw unexpected("a value")
    }
  }

  /// Counts a value against the limit; for a reader that takes it without ``parseValue()``.
  package mutating func countValue() throws(InputError) {
    values += 1
    if values > options.maximumValues {
      throw malformed("more values at byte \(place)", "at most \(options.maximumValues)")
    }
  }

  /// Goes into an array or object, past its opening bracket.
  private mutating func enter() throws(InputError) {
    try countValue()
    depth += 1
    if depth > options.maximumDepth {
      throw malformed(
        "nesting of depth \(depth) at byte \(place)", "at most \(options.maximumDepth)")
    }
    place += 1
    skipSpace()
  }

  /// Reads an array, from its bracket; `element` takes each element.
  package mutating func parseArray(
    _ element: (inout JSONParser) throws(InputError) -> Void
  ) throws(InputError) {
    try enter()
    defer { depth -= 1 }
    if take("]") { return }
    while true {
      try element(&self)
      skipSpace()
      if take("]") { return }
      guard take(",") else { throw unexpected("',' or ']'") }
      skipSpace()
    }
  }

  /// Reads an object, from its brace; `member` takes the value of each key, which begins at the
  /// given byte.
  package mutating func parseObject(
    _ member: (_ key: String, _ start: Int, inout JSONParser) throws(InputError) -> Void
  ) throws(InputError) {
    var key = ""
    try parseObject { (parser) throws(InputError) in
      key = try parser.parseString()
    } value: { (start, parser) throws(InputError) in
      try member(key, start, &parser)
    }
  }

  /// Reads an object, from its brace, for a caller that also reads the keys: `key` takes each from
  /// its quotation mark, `value` what belongs to the key that began at the given byte.
  package mutating func parseObject(
    key: (inout JSONParser) throws(InputError) -> Void,
    value: (_ start: Int, inout JSONParser) throws(InputError) -> Void
  ) throws(InputError) {
    try enter()
    defer { depth -= 1 }
    if take("}") { return }
    while true {
      guard peek == UInt8(ascii: "\"") else { throw unexpected("a key in quotation marks") }
      let start = place
      try key(&self)
      skipSpace()
      guard take(":") else { throw unexpected("':'") }
      skipSpace()
      try value(start, &self)
      skipSpace()
      if take("}") { return }
      guard take(",") else { throw unexpected("',' or '}'") }
      skipSpace()
    }
  }

  private mutating func object() throws(InputError) -> JSONObject {
    var members: [JSONObject.Member] = []
    var places: [ByteKey: Int] = [:]
    let duplicateKeys = options.duplicateKeys
    try parseObject { (key, start, parser) throws(InputError) in
      let value = try parser.parseValue()
      if duplicateKeys != .keepAll,
        let first = places.updateValue(members.count, forKey: ByteKey(key))
      {
        if duplicateKeys == .reject {
          throw parser.malformed(
            "the key \(ErrorText.quoted(key)) again at byte \(start)", "every key once")
        }
        places[ByteKey(key)] = first
        members[first].value = value
      } else {
        members.append(JSONObject.Member(key: key, value: value))
      }
    }
    var object = JSONObject()
    object.members = members
    return object
  }

  private mutating func parseWord(
    _ word: StaticString, _ value: JSONValue
  ) throws(InputError) -> JSONValue {
    for offset in 0..<word.utf8CodeUnitCount {
      guard peek == word.utf8Start[offset] else { throw unexpected("\(word)") }
      place += 1
    }
    return value
  }
}

extension JSONParser {
  /// The next byte, or nil at the end.
  package var peek: UInt8? { place < bytes.count ? bytes[place] : nil }

  /// Goes past the next byte if it is the given one.
  package mutating func take(_ byte: Unicode.Scalar) -> Bool {
    guard peek == UInt8(ascii: byte) else { return false }
    place += 1
    return true
  }

  package mutating func skipSpace() {
    while let byte = peek, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 {
      place += 1
    }
  }

  /// An error about the next byte.
  package func unexpected(_ expected: String) -> InputError {
    let found: String
    switch peek {
    case nil: found = "the end of the text"
    case .some(let byte) where byte >= 0x20 && byte < 0x7f:
      found = "'\(Character(Unicode.Scalar(byte)))'"
    case .some(let byte): found = "the byte 0x" + ErrorText.hex([byte])
    }
    return malformed("\(found) at byte \(place)", expected)
  }

  package func malformed(_ found: String, _ expected: String) -> InputError {
    InputError(.malformed, source: source, found: found, expected: expected)
  }
}
