/// What to make of JSON beyond its grammar.
public struct JSONOptions: Sendable {
  /// What to do when an object has a key twice.
  public enum DuplicateKeys: Sendable {
    /// Throw.
    case reject
    /// Keep the last value, in the place of the first.
    case keepLast
    /// Keep all members, for the caller to judge.
    case keepAll
  }

  /// What to do when an object has a key twice.
  public var duplicateKeys: DuplicateKeys
  /// How many arrays and objects may be inside one another.
  public var maximumDepth: Int
  /// How many values there may be in all. Memory grows with it: a value takes two bytes of text
  /// at least but about 24 bytes of memory, a member of an object about 40.
  public var maximumValues: Int

  /// The usual options: no key twice, depth at most 64, 2^24 values.
  public init(
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
  public init(
    parsing bytes: UnsafeRawBufferPointer, source: String = "JSON",
    options: JSONOptions = JSONOptions()
  ) throws(InputError) {
    var parser = JSONParser(bytes: bytes, source: source, options: options)
    self = try parser.parseText()
  }

  /// The value of a JSON text; see ``init(parsing:source:options:)-(UnsafeRawBufferPointer,_,_)``.
  public init(
    parsing text: [UInt8], source: String = "JSON", options: JSONOptions = JSONOptions()
  ) throws(InputError) {
    self = try text.withUnsafeBufferPointer { (bytes) throws(InputError) in
      try JSONValue(
        parsing: UnsafeRawBufferPointer(bytes), source: source, options: options)
    }
  }

  /// The value of a JSON text; see ``init(parsing:source:options:)-(UnsafeRawBufferPointer,_,_)``.
  public init(
    parsing text: String, source: String = "JSON", options: JSONOptions = JSONOptions()
  ) throws(InputError) {
    try self.init(parsing: Array(text.utf8), source: source, options: options)
  }
}

/// Reads one JSON text by recursive descent, one function for each rule of the grammar.
struct JSONParser {
  let bytes: UnsafeRawBufferPointer
  let source: String
  let options: JSONOptions
  var place = 0
  private var depth = 0
  private var values = 0

  init(bytes: UnsafeRawBufferPointer, source: String, options: JSONOptions) {
    self.bytes = bytes
    self.source = source
    self.options = options
  }

  mutating func parseText() throws(InputError) -> JSONValue {
    skipSpace()
    let value = try parseValue()
    skipSpace()
    if place < bytes.count { throw unexpected("the end") }
    return value
  }

  private mutating func parseValue() throws(InputError) -> JSONValue {
    values += 1
    if values > options.maximumValues {
      throw malformed("more values at byte \(place)", "at most \(options.maximumValues)")
    }
    switch peek {
    case UInt8(ascii: "{"): return .object(try nested { (p) throws(InputError) in try p.object() })
    case UInt8(ascii: "["): return .array(try nested { (p) throws(InputError) in try p.array() })
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "-"), .some(0x30...0x39): return try parseNumber()
    case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
    case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
    case UInt8(ascii: "n"): return try parseWord("null", .null)
    default: throw unexpected("a value")
    }
  }

  private mutating func nested<Content>(
    _ parse: (inout JSONParser) throws(InputError) -> Content
  ) throws(InputError) -> Content {
    depth += 1
    if depth > options.maximumDepth {
      throw malformed(
        "nesting of depth \(depth) at byte \(place)", "at most \(options.maximumDepth)")
    }
    place += 1
    skipSpace()
    let content = try parse(&self)
    depth -= 1
    return content
  }

  private mutating func array() throws(InputError) -> [JSONValue] {
    var elements: [JSONValue] = []
    if take("]") { return elements }
    while true {
      elements.append(try parseValue())
      skipSpace()
      if take("]") { return elements }
      guard take(",") else { throw unexpected("',' or ']'") }
      skipSpace()
    }
  }

  private mutating func object() throws(InputError) -> JSONObject {
    var members: [JSONObject.Member] = []
    var places: [ByteKey: Int] = [:]
    if take("}") { return JSONObject() }
    while true {
      guard peek == UInt8(ascii: "\"") else { throw unexpected("a key in quotation marks") }
      let start = place
      let key = try parseString()
      skipSpace()
      guard take(":") else { throw unexpected("':'") }
      skipSpace()
      let value = try parseValue()
      if options.duplicateKeys != .keepAll,
        let first = places.updateValue(members.count, forKey: ByteKey(key))
      {
        if options.duplicateKeys == .reject {
          throw malformed(
            "the key \(ErrorText.quoted(key)) again at byte \(start)", "every key once")
        }
        places[ByteKey(key)] = first
        members[first].value = value
      } else {
        members.append(JSONObject.Member(key: key, value: value))
      }
      skipSpace()
      if take("}") { break }
      guard take(",") else { throw unexpected("',' or '}'") }
      skipSpace()
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
  var peek: UInt8? { place < bytes.count ? bytes[place] : nil }

  /// Goes past the next byte if it is the given one.
  mutating func take(_ byte: Unicode.Scalar) -> Bool {
    guard peek == UInt8(ascii: byte) else { return false }
    place += 1
    return true
  }

  mutating func skipSpace() {
    while let byte = peek, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 {
      place += 1
    }
  }

  /// An error about the next byte.
  func unexpected(_ expected: String) -> InputError {
    let found: String
    switch peek {
    case nil: found = "the end of the text"
    case .some(let byte) where byte >= 0x20 && byte < 0x7f:
      found = "'\(Character(Unicode.Scalar(byte)))'"
    case .some(let byte): found = "the byte 0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    return malformed("\(found) at byte \(place)", expected)
  }

  func malformed(_ found: String, _ expected: String) -> InputError {
    InputError(.malformed, source: source, found: found, expected: expected)
  }
}
