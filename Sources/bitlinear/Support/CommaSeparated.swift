import ArgumentParser

/// Option values with commas between them, as in `512,512`. An empty text is an empty list.
struct CommaSeparated<Value: ExpressibleByArgument>: ExpressibleByArgument {
  let values: [Value]

  init?(argument: String) {
    var values: [Value] = []
    for part in argument.split(separator: ",", omittingEmptySubsequences: argument.isEmpty) {
      guard let value = Value(argument: String(part)) else { return nil }
      values.append(value)
    }
    self.values = values
  }

  var defaultValueDescription: String {
    values.map(\.defaultValueDescription).joined(separator: ",")
  }
}

/// Defaults are written as on the command line.
extension CommaSeparated: ExpressibleByStringLiteral {
  init(stringLiteral text: String) {
    guard let list = Self(argument: text) else { preconditionFailure("\(text) is no \(Self.self)") }
    self = list
  }
}
