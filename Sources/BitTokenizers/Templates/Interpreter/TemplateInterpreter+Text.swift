import BitCore
import BitFiles

// Values as text: as Python's str and repr write them, and as JSON.

/// How `json.dumps` writes.
struct TemplateJSONStyle {
  var isASCII = false
  var indent: String?
  var comma = ", "
  var colon = ": "
  var sortsKeys = false
}

extension TemplateInterpreter {
  /// The text that a value prints as.
  mutating func text(_ value: TemplateValue) throws(InputError) -> String {
    if let text = value.stringValue { return text }
    if case .undefined = value { return "" }
    var text = ""
    try write(value, to: &text, depth: 0)
    try checkLength(text.utf8.count)
    return text
  }

  private func checkGrowth(_ text: String) throws(InputError) {
    if text.utf8.count > limits.output {
      throw limit("a text of more than \(limits.output) bytes", "at most \(limits.output)")
    }
  }

  /// Appends a value as `repr` has it.
  private mutating func write(
    _ value: TemplateValue, to text: inout String, depth: Int
  ) throws(InputError) {
    try countStep()
    try checkGrowth(text)
    switch value {
    case .undefined: text += "Undefined"
    case .none: text += "None"
    case .bool(let value): text += value ? "True" : "False"
    case .integer(let value): text += value.description
    case .float(let value): text += TemplateText.text(value)
    case .string(let string): Self.writeQuoted(string, to: &text)
    case .safe(let string):
      text += "Markup("
      Self.writeQuoted(string, to: &text)
      text += ")"
    case .list(let list): try write(list, to: &text, depth: depth)
    case .map(let map): try write(map, to: &text, depth: depth)
    case .namespace(let number):
      guard depth <= limits.valueDepth else {
        throw limit("namespaces inside one another, printed", "a member of one")
      }
      text += "<Namespace "
      try write(namespaces[number], to: &text, depth: depth + 1)
      text += ">"
    case .loop, .function:
      throw unsupported("\(value.kindName) to print", "a string, a number, a list or a map")
    }
  }

  private mutating func write(
    _ list: TemplateList, to text: inout String, depth: Int
  ) throws(InputError) {
    var brackets = ("[", "]")
    switch list.kind {
    case .list: break
    case .tuple: brackets = ("(", list.elements.count == 1 ? ",)" : ")")
    case .view(let name): brackets = ("dict_\(name)([", "])")
    case .range, .generator:
      throw unsupported("\(list.kindName) to print", "\"| list\" after it")
    }
    text += brackets.0
    for (place, element) in list.elements.enumerated() {
      if place > 0 { text += ", " }
      try write(element, to: &text, depth: depth + 1)
    }
    text += brackets.1
  }

  private mutating func write(
    _ map: TemplateMap, to text: inout String, depth: Int
  ) throws(InputError) {
    text += "{"
    for (place, member) in map.members.enumerated() {
      if place > 0 { text += ", " }
      Self.writeQuoted(member.key, to: &text)
      text += ": "
      try write(member.value, to: &text, depth: depth + 1)
    }
    text += "}"
  }

  /// Appends a string between quotation marks, with escapes, as Python does.
  private static func writeQuoted(_ string: String, to text: inout String) {
    let scalars = string.unicodeScalars
    let quote: Unicode.Scalar = scalars.contains("'") && !scalars.contains("\"") ? "\"" : "'"
    text.unicodeScalars.append(quote)
    for scalar in scalars {
      switch scalar {
      case "\\", quote: text += "\\\(scalar)"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case _ where TemplateText.isPrintable(scalar): text.unicodeScalars.append(scalar)
      default:
        let value = scalar.value
        let (letter, digits) = value < 0x100 ? ("x", 2) : value < 0x10000 ? ("u", 4) : ("U", 8)
        text += "\\\(letter)\(hex(value, digits: digits))"
      }
    }
    text.unicodeScalars.append(quote)
  }

  private static func hex(_ value: UInt32, digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
  }
}

extension TemplateInterpreter {
  /// A value as JSON.
  mutating func json(
    _ value: TemplateValue, _ style: TemplateJSONStyle
  ) throws(InputError) -> String {
    var text = ""
    try writeJSON(value, style, to: &text, line: "\n")
    try checkLength(text.utf8.count)
    return text
  }

  /// Appends a value; with an indent, `line` begins a line of the value's own depth.
  private mutating func writeJSON(
    _ value: TemplateValue, _ style: TemplateJSONStyle, to text: inout String, line: String
  ) throws(InputError) {
    try countStep()
    try checkGrowth(text)
    switch value {
    case .none: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .integer(let value): text += value.description
    case .float(let value):
      text +=
        value.isNaN
        ? "NaN"
        : value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : TemplateText.text(value)
    case .string(let string), .safe(let string):
      Self.writeJSONString(string, isASCII: style.isASCII, to: &text)
    case .list(let list) where list.kind == .list || list.kind == .tuple:
      let inner = style.indent.map { line + $0 }
      text += "["
      for (place, element) in list.elements.enumerated() {
        if place > 0 { text += style.comma }
        if let inner { text += inner }
        try writeJSON(element, style, to: &text, line: inner ?? line)
      }
      if inner != nil, !list.elements.isEmpty { text += line }
      text += "]"
    case .map(let map):
      let inner = style.indent.map { line + $0 }
      let members = style.sortsKeys ? Self.sorted(map.members) : map.members
      text += "{"
      for (place, member) in members.enumerated() {
        if place > 0 { text += style.comma }
        if let inner { text += inner }
        Self.writeJSONString(member.key, isASCII: style.isASCII, to: &text)
        text += style.colon
        try writeJSON(member.value, style, to: &text, line: inner ?? line)
      }
      if inner != nil, !members.isEmpty { text += line }
      text += "}"
    case .undefined, .list, .namespace, .loop, .function:
      throw mismatch("\(value.kindName) to write as JSON", "a value that JSON has")
    }
  }

  private static func sorted(
    _ members: [(key: String, value: TemplateValue)]
  ) -> [(key: String, value: TemplateValue)] {
    members.sorted { ByteKey($0.key) < ByteKey($1.key) }
  }

  private static func writeJSONString(_ string: String, isASCII: Bool, to text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\u{8}": text += "\\b"
      case "\u{c}": text += "\\f"
      case _ where scalar.value < 0x20: text += "\\u" + hex(scalar.value, digits: 4)
      case _ where isASCII && scalar.value >= 0x7f + 1:
        for unit in String(scalar).utf16 { text += "\\u" + hex(UInt32(unit), digits: 4) }
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
