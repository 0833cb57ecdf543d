/// A JSON value.
///
/// ```swift
/// let line: JSONValue = ["epoch": 3, "loss": 0.25]
/// line.encoded                                              // {"epoch":3,"loss":0.25}
/// try JSONValue(parsing: #"{"shape":[2,3]}"#)["shape"]?[1]  // 3
/// ```
///
/// Whole numbers that fit are kept exactly as ``integer(_:)``; whatever is written with a point or
/// an exponent is a ``number(_:)``, and so is a whole number beyond the range of `Int64`. The two
/// are never equal, but ``doubleValue`` reads both.
package enum JSONValue: Sendable, Equatable {
  /// Null.
  case null
  /// True or false.
  case bool(Bool)
  /// A whole number, exactly.
  case integer(Int64)
  /// A double; NaN and infinities, which JSON lacks, are written as null.
  case number(Double)
  /// A string.
  case string(String)
  /// A list of values.
  case array([JSONValue])
  /// Keys with values, in order.
  case object(JSONObject)
}

extension JSONValue {
  /// The truth value, if this is one.
  package var boolValue: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  /// The integer, if this is one (a `.number` is not, even if it is whole).
  package var integerValue: Int64? {
    if case .integer(let value) = self { value } else { nil }
  }

  /// The integer or number as a double, if this is one of them; large integers are rounded.
  package var doubleValue: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// The string, if this is one.
  package var stringValue: String? {
    if case .string(let value) = self { value } else { nil }
  }

  /// The elements, if this is an array.
  package var arrayValue: [JSONValue]? {
    if case .array(let value) = self { value } else { nil }
  }

  /// The members, if this is an object.
  package var objectValue: JSONObject? {
    if case .object(let value) = self { value } else { nil }
  }

  /// The value of a key; nil if there is none or this is no object. See ``JSONObject``.
  package subscript(key: String) -> JSONValue? { objectValue?[key] }

  /// The element at a place; nil if there is none or this is no array.
  package subscript(index: Int) -> JSONValue? {
    guard let elements = arrayValue, elements.indices.contains(index) else { return nil }
    return elements[index]
  }

  /// What kind of value this is, for error messages: "an array".
  package var kindName: String {
    switch self {
    case .null: "null"
    case .bool: "a truth value"
    case .integer: "an integer"
    case .number: "a number"
    case .string: "a string"
    case .array: "an array"
    case .object: "an object"
    }
  }
}

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByStringLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  /// Null.
  package init(nilLiteral: ()) { self = .null }
  /// A truth value.
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  /// An integer.
  package init(integerLiteral value: Int64) { self = .integer(value) }
  /// A number.
  package init(floatLiteral value: Double) { self = .number(value) }
  /// A string.
  package init(stringLiteral value: String) { self = .string(value) }
  /// An array.
  package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  /// An object with its members in the order written.
  package init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(JSONObject(elements))
  }
}

extension JSONValue: CustomStringConvertible {
  /// The value as compact JSON.
  package var description: String { encoded }
}
