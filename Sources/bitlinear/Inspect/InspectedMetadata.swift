import BitFiles
import BitFormats
import BitTraining

/// A key with its value, as `inspect` shows it.
struct InspectedMetadata {
  let key: String
  /// The value for a table.
  let text: String
  /// The value for programs.
  let json: JSONValue
}

extension InspectedMetadata {
  /// A key-value pair of GGUF.
  init(_ entry: GGUFMetadata.Entry) {
    self.init(key: entry.key, text: entry.value.inspectText, json: entry.value.inspectJSON)
  }
}

extension GGUFValue {
  /// Elements of an array that are shown.
  private static var shownElements: Int { 8 }

  /// The value in a line; of a long array the first elements and their number.
  fileprivate var inspectText: String {
    // Beyond Int64, JSON has it rounded.
    if case .uint64(let value) = self { return "\(value)" }
    guard let array = arrayValue else { return stringValue ?? inspectJSON.encoded }
    let shown = (0..<min(array.count, Self.shownElements)).map {
      InspectText.shortened(array[$0].inspectJSON.encoded)
    }
    let list = shown.joined(separator: ", ")
    if array.count <= Self.shownElements { return "[\(list)]" }
    return "\(typeName), \(NumberText.grouped(array.count)): \(list), ..."
  }

  /// The value; of a long array an object with its type, its length and the first elements.
  fileprivate var inspectJSON: JSONValue {
    switch self {
    case .string(let text): return .string(text)
    case .bool(let value): return .bool(value)
    // Not through a double, which has more digits than the file.
    case .float32(let value): return .number(Double("\(value)") ?? Double(value))
    case .array(let array):
      let shown = (0..<min(array.count, Self.shownElements)).map { array[$0].inspectJSON }
      if array.count <= Self.shownElements { return .array(shown) }
      return [
        "type": .string(typeName), "count": .integer(Int64(array.count)), "first": .array(shown),
      ]
    default:
      return integerValue.map { .integer($0) } ?? doubleValue.map { .number($0) } ?? .null
    }
  }
}
