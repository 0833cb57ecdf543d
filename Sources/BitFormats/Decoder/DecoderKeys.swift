import BitCore
import BitFiles

/// The values of a configuration by their keys, checked: members of `config.json` or GGUF metadata.
struct DecoderKeys {
  /// The file, for errors.
  let source: String
  private let read: (String) -> JSONValue?
  /// Whether there is a key, be its value null.
  let hasMember: (String) -> Bool

  /// The members of an object.
  init(_ object: JSONObject, source: String) {
    self.source = source
    // Null says the same as nothing.
    read = { key in
      let value = object[key]
      return value == .null ? Optional.none : value
    }
    hasMember = { key in object[key] != nil }
  }

  /// The metadata of a GGUF file.
  init(_ metadata: GGUFMetadata, source: String) {
    self.source = source
    read = { key in metadata[key].map(Self.value) }
    hasMember = { key in metadata[key] != nil }
  }

  /// Metadata as JSON; arrays of more than a few numbers are given as empty ones.
  private static func value(_ value: GGUFValue) -> JSONValue {
    if let integer = value.integerValue { return .integer(integer) }
    if let number = value.doubleValue { return .number(number) }
    if let flag = value.boolValue { return .bool(flag) }
    if let text = value.stringValue { return .string(text) }
    guard let array = value.arrayValue, array.count <= 4096 else { return .array([]) }
    return .array(array.map { $0.arrayValue == nil ? Self.value($0) : .array([]) })
  }

  /// The value of a key as it is.
  subscript(key: String) -> JSONValue? { read(key) }

  /// An error about the value of a key.
  func error(
    _ kind: InputError.Kind, _ key: String, _ value: JSONValue?, _ expected: String
  ) -> InputError {
    let found = value.map { "\(key) \(ErrorText.short($0))" } ?? "no \(key)"
    return InputError(kind, source: source, found: found, expected: expected)
  }

  /// An integer within limits; nil if the key is absent.
  func integer(_ key: String, in range: ClosedRange<Int>) throws(InputError) -> Int? {
    guard var value = read(key) else { return nil }
    // One number for each layer is a number for all if they are the same.
    if let elements = value.arrayValue, let first = elements.first,
      elements.allSatisfy({ $0 == first })
    {
      value = first
    }
    guard let integer = value.integerValue.flatMap({ Int(exactly: $0) }), range.contains(integer)
    else {
      throw error(
        .malformed, key, value, "an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return integer
  }

  /// An integer within limits that must be there.
  func required(_ key: String, in range: ClosedRange<Int>) throws(InputError) -> Int {
    guard let integer = try integer(key, in: range) else {
      throw error(
        .missing, key, nil, "an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return integer
  }

  /// A finite number within limits; nil if the key is absent.
  func number(_ key: String, in range: ClosedRange<Float>) throws(InputError) -> Float? {
    guard let value = read(key) else { return nil }
    guard let number = value.doubleValue.map({ Float($0) }), range.contains(number) else {
      throw error(
        .malformed, key, value, "a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// A truth value; nil if the key is absent.
  func flag(_ key: String) throws(InputError) -> Bool? {
    guard let value = read(key) else { return nil }
    guard let flag = value.boolValue else {
      throw error(.malformed, key, value, "true or false")
    }
    return flag
  }

  /// A string; nil if the key is absent.
  func text(_ key: String) throws(InputError) -> String? {
    guard let value = read(key) else { return nil }
    guard let text = value.stringValue else { throw error(.malformed, key, value, "a string") }
    return text
  }

  /// Refuses keys with any other value than those that change nothing.
  func refuse(_ keys: [String], unless neutral: (JSONValue) -> Bool) throws(InputError) {
    for key in keys {
      if let value = read(key), !neutral(value) {
        throw error(.unsupported, key, value, "a model without it")
      }
    }
  }
}
