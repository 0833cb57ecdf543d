import BitCore
import BitFiles

/// A filter after a bar.
enum TemplateFilter: String, Sendable {
  case abs, batch, capitalize, center, `default`, dictsort, escape, first, float, format, indent
  case int, items, join, last, length, list, lower, map, max, min, reject, rejectattr, replace
  case reverse, round, safe, select, selectattr, sort, string, sum, title, tojson, trim, truncate
  case unique, upper, wordcount

  /// The filter of a name in a template.
  init?(_ name: String) {
    switch name {
    case "d": self = .default
    case "e": self = .escape
    case "count": self = .length
    default: self.init(rawValue: name)
    }
  }
}

extension TemplateInterpreter {
  mutating func apply(
    _ call: TemplateFilterCall, to value: TemplateValue
  ) throws(InputError) -> TemplateValue {
    let arguments = try self.arguments(call.arguments)
    line = call.line
    return try apply(call.filter, to: value, arguments)
  }

  /// The result of a filter.
  mutating func apply(
    _ filter: TemplateFilter, to value: TemplateValue, _ arguments: TemplateArguments
  ) throws(InputError) -> TemplateValue {
    var arguments = arguments
    let result = try apply(filter, to: value, &arguments)
    guard arguments.isEmpty else {
      let name = arguments.named.first.map { " \(ErrorText.quoted($0.name))" } ?? ""
      throw mismatch("a further argument\(name) of the filter \"\(filter.rawValue)\"", "fewer")
    }
    return result
  }

  private mutating func apply(
    _ filter: TemplateFilter, to value: TemplateValue, _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateValue {
    switch filter {
    case .default:
      let standard = arguments.take("default_value") ?? .string("")
      let replacesFalse = arguments.take("boolean")?.isTrue ?? false
      return value.isUndefined || (replacesFalse && !value.isTrue) ? standard : value
    case .length: return .integer(Int128(try length(of: value)))
    case .tojson: return .string(try json(value, jsonStyle(&arguments)))
    case .items:
      if value.isUndefined { return try newGenerator([]) }
      guard case .map(let map) = value else {
        throw mismatch("\(value.kindName) for the filter \"items\"", "a map")
      }
      generators.append(0)
      return try items(of: map, .generator(generators.count - 1))
    case .abs, .float, .int, .round: return try number(filter, value, &arguments)
    case .batch, .dictsort, .first, .join, .last, .list, .map, .max, .min, .reject, .rejectattr,
      .reverse, .select, .selectattr, .sort, .sum, .unique:
      return try list(filter, value, &arguments)
    default: break
    }
    let text = try text(value)
    switch filter {
    case .capitalize, .lower, .upper, .title, .wordcount: try charge(32 * text.utf8.count)
    default: try charge(text.utf8.count)
    }
    let result = try string(filter, text, value, &arguments)
    // As methods, filters of a safe string give safe ones.
    switch (value, result) {
    case (.safe, .string(let text)) where filter != .format: return .safe(text)
    default: return result
    }
  }

  private mutating func string(
    _ filter: TemplateFilter, _ text: String, _ value: TemplateValue,
    _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateValue {
    switch filter {
    case .capitalize: return .string(TemplateText.capitalized(text))
    case .lower: return .string(TemplateText.lowercased(text))
    case .upper: return .string(TemplateText.uppercased(text))
    case .title: return .string(TemplateText.titledWords(text))
    case .string: return .string(text)
    case .safe: return .safe(text)
    case .trim:
      let characters = try string(&arguments, "chars", isOptional: true)
      return .string(TemplateText.stripped(text, characters))
    case .escape:
      if case .safe = value { return value }
      return .safe(TemplateText.escaped(text))
    case .replace: return .string(try replace(text, &arguments))
    case .format:
      guard arguments.named.isEmpty else {
        throw unsupported("arguments with names of the filter \"format\"", "ones without")
      }
      let values = Array(arguments.values)
      arguments = TemplateArguments()
      return .string(try formatted(text, values))
    case .center:
      let width = try integer(&arguments, "width", 80)
      let missing = max(0, width - text.unicodeScalars.count)
      try checkLength(text.utf8.count + min(missing, limits.output + 1))
      // Python puts the odd space to the left of an odd width.
      let left = missing / 2 + (missing & width & 1)
      return .string(
        String(repeating: " ", count: left) + text + String(repeating: " ", count: missing - left))
    case .indent: return .string(try indented(text, &arguments))
    case .truncate: return .string(try truncated(text, &arguments))
    case .wordcount: return .integer(Int128(Self.wordCount(text)))
    default: throw unsupported("the filter \"\(filter.rawValue)\"", "another one")
    }
  }

  private static func wordCount(_ text: String) -> Int {
    var count = 0
    var isInWord = false
    for scalar in text.unicodeScalars {
      let isWord = scalar == "_" || isLetter(scalar) || scalar.properties.numericType != nil
      if isWord && !isInWord { count += 1 }
      isInWord = isWord
    }
    return count
  }

  private mutating func indented(
    _ text: String, _ arguments: inout TemplateArguments
  ) throws(InputError) -> String {
    let width = arguments.take("width") ?? .integer(4)
    let isFirst = arguments.take("first")?.isTrue ?? false
    let indentsBlank = arguments.take("blank")?.isTrue ?? false
    let indent = try indent(width, of: "indent")
    let lines = TemplateText.lines(text + "\n")
    try checkLength(text.utf8.count + lines.count * indent.utf8.count)
    var result = isFirst ? indent : ""
    for (place, line) in lines.enumerated() {
      if place > 0 { result += "\n" + (indentsBlank || !line.utf8.isEmpty ? indent : "") }
      result += line
    }
    return result
  }

  /// White space of a width, or a string as it is.
  private func indent(_ value: TemplateValue, of name: String) throws(InputError) -> String {
    let most = 1000
    if let text = value.stringValue, text.utf8.count <= most { return text }
    guard let width = value.integerValue, width <= most else {
      throw unsupported("the indent of \"\(name)\"", "a whole number up to \(most)")
    }
    return String(repeating: " ", count: max(0, Int(clamping: width)))
  }

  private mutating func truncated(
    _ text: String, _ arguments: inout TemplateArguments
  ) throws(InputError) -> String {
    let length = try integer(&arguments, "length", 255)
    let cutsWords = arguments.take("killwords")?.isTrue ?? false
    let end = try string(&arguments, "end", isOptional: true) ?? "..."
    let leeway = try integer(&arguments, "leeway", 5)
    let kept = length - min(max(length, 0), end.unicodeScalars.count)
    guard length >= 0, leeway >= 0, kept + end.unicodeScalars.count <= length else {
      throw mismatch("the lengths of the filter \"truncate\"", "a length beyond its end")
    }
    let scalars = Array(text.unicodeScalars)
    if scalars.count - length <= leeway { return text }
    let head = scalars.prefix(kept)
    let cut = cutsWords ? head.endIndex : head.lastIndex(of: " ") ?? head.endIndex
    var result = String.UnicodeScalarView()
    result.append(contentsOf: head[..<cut])
    return String(result) + end
  }

  private mutating func jsonStyle(
    _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateJSONStyle {
    var style = TemplateJSONStyle()
    style.isASCII = arguments.take("ensure_ascii")?.isTrue ?? false
    if let indent = arguments.take("indent") {
      if case .none = indent {
      } else {
        style.indent = try self.indent(indent, of: "tojson")
        style.comma = ","
      }
    }
    switch arguments.take("separators") ?? .none {
    case .none: break
    case .list(let list):
      let separators = list.elements.compactMap(\.stringValue)
      guard list.elements.count == 2, separators.count == 2 else { fallthrough }
      (style.comma, style.colon) = (separators[0], separators[1])
    default: throw mismatch("the separators of the filter \"tojson\"", "two strings")
    }
    style.sortsKeys = arguments.take("sort_keys")?.isTrue ?? false
    return style
  }

  private mutating func length(of value: TemplateValue) throws(InputError) -> Int {
    switch value {
    case .undefined: return 0
    case .string(let text), .safe(let text):
      try charge(text.utf8.count)
      return text.unicodeScalars.count
    case .map(let map): return map.members.count
    case .list(let list) where !list.isGenerator: return list.elements.count
    default: throw mismatch("the length of \(value.kindName)", "a string, a list or a map")
    }
  }

  private mutating func number(
    _ filter: TemplateFilter, _ value: TemplateValue, _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateValue {
    switch filter {
    case .int:
      let standard = arguments.take("default") ?? .integer(0)
      guard try integer(&arguments, "base", 10) == 10 else {
        throw unsupported("another base of the filter \"int\"", "10")
      }
      return try integer(of: value).map { .integer($0) } ?? standard
    case .float:
      let standard = arguments.take("default") ?? .float(0)
      if value.isUndefined { throw mismatch(value.kindName, "a value that is defined") }
      return (value.doubleValue ?? value.stringValue.flatMap(TemplateText.double))
        .map { .float($0) } ?? standard
    case .abs:
      if case .float(let number) = value { return .float(number.magnitude) }
      guard let number = value.integerValue, number != .min else { break }
      return .integer(number < 0 ? -number : number)
    default: return try rounded(value, &arguments)
    }
    throw mismatch("\(value.kindName) for the filter \"\(filter.rawValue)\"", "a number")
  }

  private func integer(of value: TemplateValue) throws(InputError) -> Int128? {
    if value.isUndefined { throw mismatch(value.kindName, "a value that is defined") }
    if let number = value.integerValue { return number }
    let text = value.stringValue
    if let number = text.flatMap(TemplateText.integer) { return number }
    guard let number = value.doubleValue ?? text.flatMap(TemplateText.double), number.isFinite
    else { return nil }
    guard let whole = Int128(exactly: number.rounded(.towardZero)) else {
      throw unsupported("a whole number of more than 127 bits", "a smaller one")
    }
    return whole
  }

  private mutating func rounded(
    _ value: TemplateValue, _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateValue {
    let decimals = try integer(&arguments, "precision", 0)
    let method = try string(&arguments, "method", isOptional: true) ?? "common"
    guard method == "common", (0...20).contains(decimals) else {
      throw unsupported("this method or precision of \"round\"", "\"common\", and 0 to 20")
    }
    if let number = value.integerValue { return .integer(number) }
    guard case .float(let number) = value else {
      throw mismatch("\(value.kindName) for the filter \"round\"", "a number")
    }
    guard number.isFinite, let text = TemplateText.fixed(number, decimals: decimals) else {
      return value
    }
    return .float(Double(text) ?? number)
  }
}
