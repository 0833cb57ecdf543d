import BitCore
import BitFiles

/// A test after `is`.
enum TemplateTest: String, Sendable {
  case defined, undefined, none, string, number, integer, float, boolean, mapping, iterable
  case sequence, callable, `true`, `false`, odd, even, lower, upper
  case divisibleBy = "divisibleby"
  case sameAs = "sameas"
  case isIn = "in"
  case equal = "=="
  case unequal = "!="
  case less = "<"
  case lessOrEqual = "<="
  case greater = ">"
  case greaterOrEqual = ">="

  /// The test of a name in a template.
  init?(_ name: String) {
    switch name {
    case "eq", "equalto": self = .equal
    case "ne": self = .unequal
    case "lt", "lessthan": self = .less
    case "le": self = .lessOrEqual
    case "gt", "greaterthan": self = .greater
    case "ge": self = .greaterOrEqual
    default: self.init(rawValue: name)
    }
  }

  /// Whether it compares with a second value.
  var takesArgument: Bool { comparison != nil || self == .divisibleBy || self == .sameAs }

  fileprivate var comparison: TemplateComparison? {
    switch self {
    case .equal: .equal
    case .unequal: .unequal
    case .less: .less
    case .lessOrEqual: .lessOrEqual
    case .greater: .greater
    case .greaterOrEqual: .greaterOrEqual
    case .isIn: .isIn
    default: nil
    }
  }
}

extension TemplateInterpreter {
  mutating func test(
    _ test: TemplateTest, _ value: TemplateExpression, _ arguments: TemplateCallArguments,
    line: Int
  ) throws(InputError) -> Bool {
    let value = try evaluate(value)
    let arguments = try self.arguments(arguments)
    self.line = line
    return try self.test(test, value, arguments)
  }

  /// Whether a value passes a test.
  mutating func test(
    _ test: TemplateTest, _ value: TemplateValue, _ arguments: TemplateArguments
  ) throws(InputError) -> Bool {
    guard arguments.named.isEmpty, arguments.values.count == (test.takesArgument ? 1 : 0) else {
      throw mismatch(
        "\(arguments.values.count) arguments of the test \"\(test.rawValue)\"",
        test.takesArgument ? "one" : "none")
    }
    guard let argument = arguments.values.first else { return try self.test(test, value) }
    if let comparison = test.comparison { return try compare(comparison, value, argument) }
    if test == .divisibleBy { return try !apply(.remainder, value, argument).isTrue }
    switch (value, argument) {
    case (.bool(let a), .bool(let b)): return a == b
    case (.none, .none): return true
    case (.bool, _), (.none, _), (_, .bool), (_, .none): return false
    default:
      throw unsupported("\"sameas\" of \(value.kindName)", "true, false or none, or \"==\"")
    }
  }

  private func test(
    _ test: TemplateTest, _ value: TemplateValue
  ) throws(InputError) -> Bool {
    switch test {
    case .defined: return !value.isUndefined
    case .undefined: return value.isUndefined
    case .none: if case .none = value { return true }
    case .string: return value.stringValue != nil
    case .number: return value.doubleValue != nil
    case .integer: if case .integer = value { return true }
    case .float: if case .float = value { return true }
    case .boolean: if case .bool = value { return true }
    case .true: if case .bool(true) = value { return true }
    case .false: if case .bool(false) = value { return true }
    case .mapping: if case .map = value { return true }
    case .iterable, .sequence: return Self.isIterable(value, hasLength: test == .sequence)
    case .callable:
      switch value {
      case .function, .undefined, .loop: return true
      default: return false
      }
    case .odd, .even:
      guard let number = value.integerValue else {
        throw mismatch("\(value.kindName) tested for \"\(test.rawValue)\"", "a whole number")
      }
      return (number % 2 == 0) == (test == .even)
    case .lower, .upper: return Self.isCased(value.stringValue ?? "", isUpper: test == .upper)
    default: throw mismatch("no argument of the test \"\(test.rawValue)\"", "one")
    }
    return false
  }

  private static func isIterable(_ value: TemplateValue, hasLength: Bool) -> Bool {
    switch value {
    case .string, .safe, .map, .undefined: return true
    case .list(let list):
      switch list.kind {
      case .list, .tuple, .range: return true
      case .view, .generator: return !hasLength
      }
    case .loop: return !hasLength
    default: return false
    }
  }

  /// Whether a text has letters, and all of one case.
  static func isCased(_ text: String, isUpper: Bool) -> Bool {
    var hasLetter = false
    for scalar in text.unicodeScalars {
      let properties = scalar.properties
      if isUpper ? properties.isLowercase : properties.isUppercase { return false }
      if properties.generalCategory == .titlecaseLetter { return false }
      if isUpper ? properties.isUppercase : properties.isLowercase { hasLetter = true }
    }
    return hasLetter
  }
}
