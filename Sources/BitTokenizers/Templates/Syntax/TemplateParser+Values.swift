import BitCore
import BitFiles

// Values that expressions begin with.

extension TemplateParser {
  /// A value without what may follow it.
  mutating func primary() throws(InputError) -> TemplateExpression {
    let token = current
    func constant(_ value: TemplateValue) -> TemplateExpression {
      TemplateExpression(.constant(value), line: token.line)
    }
    place += 1
    switch token.kind {
    case .name("true"), .name("True"): return constant(.bool(true))
    case .name("false"), .name("False"): return constant(.bool(false))
    case .name("none"), .name("None"): return constant(.none)
    case .name(let name):
      if isInMacro, name == "varargs" || name == "kwargs" {
        throw unsupported("the name \"\(name)\" in a macro", "parameters with names")
      }
      return TemplateExpression(.name(number(of: name)), line: token.line)
    case .string(var text):
      while case .string(let next) = current.kind {
        text += next
        place += 1
      }
      return constant(.string(text))
    case .integer(let value): return constant(.integer(value))
    case .float(let value): return constant(.float(value))
    case .symbol("("): return try parenthesized(line: token.line)
    case .symbol("["):
      return TemplateExpression(.list(try elements(until: "]")), line: token.line)
    case .symbol("{"): return try map(line: token.line)
    default:
      place -= 1
      throw unexpected("an expression")
    }
  }

  private mutating func parenthesized(line: Int) throws(InputError) -> TemplateExpression {
    if takeSymbol(")") { return TemplateExpression(.tuple([]), line: line) }
    let value = try tupleOrExpression()
    try expectSymbol(")")
    return value
  }

  private mutating func elements(
    until bracket: String
  ) throws(InputError) -> [TemplateExpression] {
    var elements: [TemplateExpression] = []
    while !takeSymbol(bracket) {
      if !elements.isEmpty {
        try expectSymbol(",")
        if takeSymbol(bracket) { break }
      }
      elements.append(try expression())
    }
    return elements
  }

  private mutating func map(line: Int) throws(InputError) -> TemplateExpression {
    var members: [(key: TemplateExpression, value: TemplateExpression)] = []
    while !takeSymbol("}") {
      if !members.isEmpty {
        try expectSymbol(",")
        if takeSymbol("}") { break }
      }
      let key = try expression()
      try expectSymbol(":")
      members.append((key, try expression()))
    }
    return TemplateExpression(.map(members), line: line)
  }
}
