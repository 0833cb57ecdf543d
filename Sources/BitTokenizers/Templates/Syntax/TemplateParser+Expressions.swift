import BitCore
import BitFiles

// Expressions, by rank: the conditional, or, and, not, comparisons, + and -, ~, * and /, **, signs,
// then what follows a value: members, calls, filters, tests.

extension TemplateParser {
  /// Words that are values and never names.
  static let constants: Set<String> = ["true", "false", "none", "True", "False", "None"]

  /// An expression, or several with commas between them: a tuple.
  mutating func tupleOrExpression(
    withCondition: Bool = true, endsAt word: String? = nil
  ) throws(InputError) -> TemplateExpression {
    let line = current.line
    let first = try withCondition ? expression() : or()
    guard isSymbol(",") else { return first }
    var elements = [first]
    while takeSymbol(",") {
      if isEnd(word) { break }
      elements.append(try withCondition ? expression() : or())
    }
    return TemplateExpression(.tuple(elements), line: line)
  }

  private func isEnd(_ word: String?) -> Bool {
    switch current.kind {
    case .printEnd, .blockEnd, .end, .symbol(")"): true
    case .name(let name): name == word
    default: false
    }
  }

  /// An expression.
  mutating func expression() throws(InputError) -> TemplateExpression {
    try enter()
    var entered = 1
    defer { depth -= entered }
    let line = current.line
    var value = try or()
    while takeName("if") {
      try enter()
      entered += 1
      let condition = try or()
      let otherwise = takeName("else") ? try expression() : nil
      value = TemplateExpression(
        .conditional(condition: condition, then: value, otherwise: otherwise), line: line)
    }
    return value
  }

  private mutating func or() throws(InputError) -> TemplateExpression {
    let line = current.line
    var values = [try and()]
    while takeName("or") { values.append(try and()) }
    return values.count == 1 ? values[0] : TemplateExpression(.or(values), line: line)
  }

  private mutating func and() throws(InputError) -> TemplateExpression {
    let line = current.line
    var values = [try not()]
    while takeName("and") { values.append(try not()) }
    return values.count == 1 ? values[0] : TemplateExpression(.and(values), line: line)
  }

  private mutating func not() throws(InputError) -> TemplateExpression {
    let line = current.line
    guard takeName("not") else { return try comparison() }
    try enter()
    defer { depth -= 1 }
    return TemplateExpression(.not(try not()), line: line)
  }

  private mutating func comparison() throws(InputError) -> TemplateExpression {
    let line = current.line
    let first = try sum()
    var rest: [(sign: TemplateComparison, value: TemplateExpression)] = []
    while let sign = takeComparison() { rest.append((sign, try sum())) }
    return rest.isEmpty ? first : TemplateExpression(.comparison(first, rest), line: line)
  }

  private mutating func takeComparison() -> TemplateComparison? {
    switch current.kind {
    case .symbol(let symbol):
      guard let sign = TemplateComparison(rawValue: symbol) else { return nil }
      place += 1
      return sign
    case .name("in"):
      place += 1
      return .isIn
    case .name("not"):
      // The end follows all tokens.
      guard tokens[place + 1].kind == .name("in") else { return nil }
      place += 2
      return .isNotIn
    default: return nil
    }
  }

  /// Operators of one rank between values of the next.
  private mutating func chain(
    _ signs: [TemplateOperator],
    of value: (inout TemplateParser) throws(InputError) -> TemplateExpression
  ) throws(InputError) -> TemplateExpression {
    let line = current.line
    let first = try value(&self)
    var rest: [(sign: TemplateOperator, value: TemplateExpression)] = []
    while case .symbol(let symbol) = current.kind, let sign = TemplateOperator(rawValue: symbol),
      signs.contains(sign)
    {
      place += 1
      rest.append((sign, try value(&self)))
    }
    return rest.isEmpty ? first : TemplateExpression(.arithmetic(first, rest), line: line)
  }

  private mutating func sum() throws(InputError) -> TemplateExpression {
    try chain([.add, .subtract]) { (parser) throws(InputError) in try parser.joined() }
  }

  private mutating func joined() throws(InputError) -> TemplateExpression {
    let line = current.line
    var values = [try product()]
    while takeSymbol("~") { values.append(try product()) }
    return values.count == 1 ? values[0] : TemplateExpression(.joined(values), line: line)
  }

  private mutating func product() throws(InputError) -> TemplateExpression {
    try chain([.multiply, .divide, .divideDown, .remainder]) { (parser) throws(InputError) in
      try parser.power()
    }
  }

  private mutating func power() throws(InputError) -> TemplateExpression {
    try chain([.power]) { (parser) throws(InputError) in try parser.signed(withFilters: true) }
  }

  /// A value with its sign. `-a | abs` is `(-a) | abs`.
  private mutating func signed(withFilters: Bool) throws(InputError) -> TemplateExpression {
    try enter()
    var entered = 1
    defer { depth -= entered }
    let line = current.line
    var value: TemplateExpression
    if takeSymbol("-") {
      value = TemplateExpression(.negative(try signed(withFilters: false)), line: line)
    } else if takeSymbol("+") {
      value = TemplateExpression(.positive(try signed(withFilters: false)), line: line)
    } else {
      value = try primary()
    }
    // Each of these wraps the value once more.
    while let next = try suffix(of: value, withFilters: withFilters) {
      value = next
      try enter()
      entered += 1
    }
    return value
  }

  /// A value with the member, call, filter or test that follows it; nil if none does.
  private mutating func suffix(
    of value: TemplateExpression, withFilters: Bool
  ) throws(InputError) -> TemplateExpression? {
    let line = current.line
    switch current.kind {
    case .symbol("."):
      place += 1
      return try member(of: value, line: line)
    case .symbol("["):
      place += 1
      return try subscripted(value, line: line)
    case .symbol("("):
      return TemplateExpression(.call(value, try arguments()), line: line)
    case .symbol("|") where withFilters:
      place += 1
      return TemplateExpression(.filter(value, try filterCall()), line: line)
    case .name("is") where withFilters:
      place += 1
      return try test(of: value, line: line)
    default: return nil
    }
  }

  private mutating func member(
    of value: TemplateExpression, line: Int
  ) throws(InputError) -> TemplateExpression {
    defer { place += 1 }
    switch current.kind {
    case .name(let name): return TemplateExpression(.attribute(value, name), line: line)
    case .integer(let index):
      let index = TemplateExpression(.constant(.integer(index)), line: line)
      return TemplateExpression(.item(value, index), line: line)
    default: throw unexpected("the name of a member")
    }
  }

  private mutating func subscripted(
    _ value: TemplateExpression, line: Int
  ) throws(InputError) -> TemplateExpression {
    var parts: [TemplateExpression?] = [nil]
    var isSlice = false
    while !isSymbol("]") {
      if takeSymbol(":") {
        isSlice = true
        parts.append(nil)
      } else if parts[parts.count - 1] == nil {
        parts[parts.count - 1] = try expression()
      } else {
        throw unexpected("\":\" or \"]\"")
      }
    }
    if isSlice, parts.count <= 3 {
      place += 1
      return TemplateExpression(.slice(value, parts), line: line)
    }
    guard !isSlice, let index = parts[0] else { throw unexpected("an index or a slice") }
    place += 1
    return TemplateExpression(.item(value, index), line: line)
  }

  /// The arguments of a call, from its parenthesis.
  private mutating func arguments() throws(InputError) -> TemplateCallArguments {
    var arguments = TemplateCallArguments()
    try expectSymbol("(")
    var isFirst = true
    while !takeSymbol(")") {
      if !isFirst {
        try expectSymbol(",")
        if takeSymbol(")") { break }
      }
      isFirst = false
      if isSymbol("*") || isSymbol("**") {
        throw unsupported("arguments from a list or map, by * or **", "arguments one by one")
      }
      if case .name(let name) = current.kind, tokens[place + 1].kind == .symbol("=") {
        place += 2
        arguments.named.append((name, try expression()))
      } else if arguments.named.isEmpty {
        arguments.values.append(try expression())
      } else {
        throw malformed("an argument without a name after one with a name", "a name")
      }
    }
    return arguments
  }

  /// A filter after its bar.
  mutating func filterCall() throws(InputError) -> TemplateFilterCall {
    guard case .name(let name) = current.kind else { throw unexpected("the name of a filter") }
    guard let filter = TemplateFilter(name) else {
      throw unsupported("the filter \(ErrorText.quoted(name))", "a filter that chat templates use")
    }
    let line = current.line
    place += 1
    return TemplateFilterCall(
      filter: filter, arguments: isSymbol("(") ? try arguments() : TemplateCallArguments(),
      line: line)
  }

  /// A test after `is`; its argument needs no parentheses.
  private mutating func test(
    of value: TemplateExpression, line: Int
  ) throws(InputError) -> TemplateExpression {
    let isNegated = takeName("not")
    guard case .name(let name) = current.kind else { throw unexpected("the name of a test") }
    guard let test = TemplateTest(name) else {
      throw unsupported("the test \(ErrorText.quoted(name))", "a test that chat templates use")
    }
    place += 1
    var arguments = TemplateCallArguments()
    switch current.kind {
    case .symbol("("): arguments = try self.arguments()
    case .name("else"), .name("or"), .name("and"): break
    case .name("is"):
      throw malformed("a test of a test", "\"and\" between tests")
    case .name, .string, .integer, .float, .symbol("["), .symbol("{"):
      // After tests without an argument, words such as "if" and "in" go on with the expression.
      guard test.takesArgument else { break }
      try enter()
      defer { depth -= 1 }
      var argument = try primary()
      var entered = 0
      defer { depth -= entered }
      while let next = try suffix(of: argument, withFilters: false) {
        argument = next
        try enter()
        entered += 1
      }
      arguments.values = [argument]
    default: break
    }
    return TemplateExpression(
      .test(value, test, arguments, isNegated: isNegated), line: line)
  }
}
