import BitFiles

/// The numbers of a struct as members of a JSON object: one table for both directions.
struct JSONFields<Root> {
  /// Members that are counts, from 0 to 2^53: a run can reach these and go on without an overflow.
  var counts: [(key: String, path: WritableKeyPath<Root, Int>)]
  /// Members that may be any number.
  var numbers: [(key: String, path: WritableKeyPath<Root, Double>)]

  static var countable: ClosedRange<Int> { 0...1 << 53 }

  /// The members of `value`.
  func object(_ value: Root) -> JSONObject {
    JSONObject(
      counts.map { ($0.key, .integer(Int64(value[keyPath: $0.path]))) }
        + numbers.map { ($0.key, .number(value[keyPath: $0.path])) })
  }

  /// `value` with the numbers of `json`; nil if one of them is missing or something else.
  func value(_ json: JSONObject, in value: Root) -> Root? {
    var value = value
    for (key, path) in counts {
      guard let count = json[key]?.integerValue.flatMap({ Int(exactly: $0) }),
        Self.countable.contains(count)
      else { return nil }
      value[keyPath: path] = count
    }
    for (key, path) in numbers {
      guard let number = json[key]?.doubleValue else { return nil }
      value[keyPath: path] = number
    }
    return value
  }
}
