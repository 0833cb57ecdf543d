/// Things from outside in the words of an error: on one line, of a bounded length.
package enum ErrorText {
  /// A name, quoted as in JSON.
  package static func quoted(_ name: String) -> String {
    let most = 80
    let shown = name.unicodeScalars.prefix(most)
    let rest = shown.endIndex == name.unicodeScalars.endIndex ? "" : "..."
    return JSONValue.string(String(shown) + rest).encoded
  }

  /// Two hexadecimal digits per byte.
  package static func hex(_ bytes: some Sequence<UInt8>, separator: String = "") -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: separator)
  }

  /// A list of integers, such as a shape.
  package static func list(_ integers: [Int]) -> String {
    let most = 8
    let rest = integers.count > most ? ", ... \(integers.count) in all" : ""
    return "[" + integers.prefix(most).map(\.description).joined(separator: ", ") + rest + "]"
  }

  /// A JSON value: its text if that is short, otherwise what kind of value it is.
  package static func short(_ value: JSONValue) -> String {
    switch value {
    case .null, .bool, .integer, .number: value.encoded
    case .string(let text): quoted(text)
    case .array, .object: value.kindName
    }
  }
}
