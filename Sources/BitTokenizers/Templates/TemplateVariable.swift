import BitFiles

/// A value for a variable of a ``ChatTemplate``.
///
/// ```swift
/// let variables: [String: TemplateVariable] = ["enable_thinking": false, "effort": "low"]
/// ```
public enum TemplateVariable: Sendable, Hashable {
  /// No value; the variable is still defined.
  case none
  /// True or false.
  case bool(Bool)
  /// A whole number.
  case integer(Int)
  /// A number.
  case number(Double)
  /// A text.
  case string(String)
  /// Values in order.
  case list([TemplateVariable])
}

extension TemplateVariable: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByStringLiteral,
  ExpressibleByArrayLiteral
{
  /// No value.
  public init(nilLiteral: ()) { self = .none }
  /// True or false.
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  /// A whole number.
  public init(integerLiteral value: Int) { self = .integer(value) }
  /// A number.
  public init(floatLiteral value: Double) { self = .number(value) }
  /// A text.
  public init(stringLiteral value: String) { self = .string(value) }
  /// Values in order.
  public init(arrayLiteral elements: TemplateVariable...) { self = .list(elements) }
}

extension TemplateVariable {
  /// The variable as JSON.
  var json: JSONValue {
    switch self {
    case .none: .null
    case .bool(let value): .bool(value)
    case .integer(let value): .integer(Int64(value))
    case .number(let value): .number(value)
    case .string(let text): .string(text)
    case .list(let values): .array(values.map(\.json))
    }
  }
}
