/// A value of a GGUF file's metadata.
public enum GGUFValue: Sendable, Hashable {
  case uint8(UInt8)
  case int8(Int8)
  case uint16(UInt16)
  case int16(Int16)
  case uint32(UInt32)
  case int32(Int32)
  case uint64(UInt64)
  case int64(Int64)
  case float32(Float)
  case float64(Double)
  case bool(Bool)
  case string(String)
  case array(GGUFArray)

  /// The value of any integer type, if it fits.
  public var integerValue: Int64? {
    switch self {
    case .uint8(let value): Int64(value)
    case .int8(let value): Int64(value)
    case .uint16(let value): Int64(value)
    case .int16(let value): Int64(value)
    case .uint32(let value): Int64(value)
    case .int32(let value): Int64(value)
    case .uint64(let value): Int64(exactly: value)
    case .int64(let value): value
    default: nil
    }
  }

  /// The value of any number type.
  public var doubleValue: Double? {
    switch self {
    case .float32(let value): Double(value)
    case .float64(let value): value
    case .uint64(let value): Double(value)
    default: integerValue.map { Double($0) }
    }
  }

  /// The value of a truth value.
  public var boolValue: Bool? {
    if case .bool(let value) = self { value } else { nil }
  }

  /// The value of a string.
  public var stringValue: String? {
    if case .string(let value) = self { value } else { nil }
  }

  /// The value of an array.
  public var arrayValue: GGUFArray? {
    if case .array(let value) = self { value } else { nil }
  }

  /// The strings of an array of strings, all of which are copied.
  public var stringsValue: [String]? {
    guard case .array(let array) = self, array.elementKind == .string else { return nil }
    return array.compactMap(\.stringValue)
  }

  /// The type's name as in the specification, such as "uint32" or "array of string".
  public var typeName: String {
    if case .array(let array) = self { return "array of \(array.elementKind)" }
    return "\(kind)"
  }

  var kind: GGUFValueKind {
    switch self {
    case .uint8: .uint8
    case .int8: .int8
    case .uint16: .uint16
    case .int16: .int16
    case .uint32: .uint32
    case .int32: .int32
    case .uint64: .uint64
    case .int64: .int64
    case .float32: .float32
    case .float64: .float64
    case .bool: .bool
    case .string: .string
    case .array: .array
    }
  }
}

/// The types of metadata by their numbers in the file.
enum GGUFValueKind: UInt32, CaseIterable {
  case uint8 = 0
  case int8 = 1
  case uint16 = 2
  case int16 = 3
  case uint32 = 4
  case int32 = 5
  case float32 = 6
  case bool = 7
  case string = 8
  case array = 9
  case uint64 = 10
  case int64 = 11
  case float64 = 12

  /// The bytes that a value takes in the file: the fewest of a string or an array, else all.
  var minimumBytes: Int {
    switch self {
    case .uint8, .int8, .bool: 1
    case .uint16, .int16: 2
    case .uint32, .int32, .float32: 4
    case .uint64, .int64, .float64, .string: 8
    case .array: 12
    }
  }
}
