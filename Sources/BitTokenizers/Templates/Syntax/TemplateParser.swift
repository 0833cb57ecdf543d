import BitCore
import BitFiles

/// Makes a tree of a template, by recursive descent.
///
/// Blocks and brackets inside one another are limited, so that neither the parser, nor the
/// interpreter, nor freeing the tree overflows the stack.
struct TemplateParser {
  let source: String
  let limits: TemplateLimits
  let tokens: [TemplateToken]
  var place = 0
  /// The names in the order of their numbers, and the numbers by name.
  var names: [String] = []
  private var numbers: [ByteKey: Int] = [:]
  var depth = 0
  /// How many loops the current statement is in, inside of its macro.
  private var loops = 0
  var isInMacro = false

  static func tree(
    of template: String, source: String, limits: TemplateLimits
  ) throws(InputError) -> TemplateTree {
    guard template.utf8.count <= limits.source else {
      throw InputError(
        .unsupported, source: source, found: "\(template.utf8.count) bytes",
        expected: "at most \(limits.source)")
    }
    let tokens = try TemplateLexer.tokens(of: template, source: source)
    var parser = TemplateParser(source: source, limits: limits, tokens: tokens)
    for name in TemplateName.all { _ = parser.number(of: name) }
    let (statements, _) = try parser.body(until: [])
    return TemplateTree(statements: statements, names: parser.names)
  }

  private init(source: String, limits: TemplateLimits, tokens: [TemplateToken]) {
    self.source = source
    self.limits = limits
    self.tokens = tokens
  }

  /// The number of a name.
  mutating func number(of name: String) -> Int {
    if let number = numbers[ByteKey(name)] { return number }
    numbers[ByteKey(name)] = names.count
    names.append(name)
    return names.count - 1
  }

  /// Statements up to a block that begins with one of the words, which is taken and returned; with
  /// no words, up to the end of the template.
  private mutating func body(
    until words: [String]
  ) throws(InputError) -> ([TemplateStatement], String) {
    try enter()
    defer { depth -= 1 }
    var statements: [TemplateStatement] = []
    while true {
      switch current.kind {
      case .text(let text):
        place += 1
        statements.append(.text(text))
      case .printBegin:
        place += 1
        let expression = try tupleOrExpression()
        try expect(.printEnd)
        statements.append(.print(expression))
      case .blockBegin:
        place += 1
        guard case .name(let word) = current.kind else { throw unexpected("the name of a block") }
        if words.contains(word) {
          place += 1
          return (statements, word)
        }
        if let statement = try block(word, endings: words) { statements.append(statement) }
      default:
        guard words.isEmpty else {
          throw unexpected(words.map { "\"\($0)\"" }.joined(separator: " or "))
        }
        return (statements, "")
      }
    }
  }

  /// A body up to the end of a block, with the end's tag.
  private mutating func body(ending word: String) throws(InputError) -> [TemplateStatement] {
    try expect(.blockEnd)
    let (statements, _) = try body(until: [word])
    // `{% endmacro name %}` may repeat the name.
    if word == "endmacro", case .name = current.kind { place += 1 }
    try expect(.blockEnd)
    return statements
  }

  /// The block whose name is the current token.
  private mutating func block(
    _ word: String, endings: [String]
  ) throws(InputError) -> TemplateStatement? {
    let line = current.line
    guard let kind = TemplateBlock(rawValue: word) else {
      if TemplateBlock.unsupported.contains(word) {
        throw unsupported("the block \"\(word)\"", "a block that chat templates use")
      }
      let open =
        endings.isEmpty ? "" : ", or " + endings.map { "\"\($0)\"" }.joined(separator: ", ")
      throw malformed("the block \(ErrorText.quoted(word))", "a block of the language\(open)")
    }
    place += 1
    switch kind {
    case .if: return try branches()
    case .for: return try loop(line: line)
    case .set: return try assignment()
    case .macro: return .macro(try macro(line: line))
    case .call: return try callBlock(line: line)
    case .filter:
      let filters = try filterChain()
      return .filtered(filters, try body(ending: "endfilter"))
    case .with: return try with()
    case .generation: return .scope([], try body(ending: "endgeneration"))
    case .break, .continue:
      guard loops > 0 else { throw malformed("\"\(word)\" outside of a loop", "a loop around it") }
      try expect(.blockEnd)
      return kind == .break ? .endLoop : .nextTurn
    case .print:
      var parts = [try expression()]
      while takeSymbol(",") { parts.append(try expression()) }
      try expect(.blockEnd)
      return .print(TemplateExpression(.joined(parts), line: line))
    }
  }

  private mutating func branches() throws(InputError) -> TemplateStatement {
    var branches: [(condition: TemplateExpression?, body: [TemplateStatement])] = []
    var condition: TemplateExpression? = try tupleOrExpression(withCondition: false)
    while true {
      try expect(.blockEnd)
      let endings = condition == nil ? ["endif"] : ["elif", "else", "endif"]
      let (statements, word) = try body(until: endings)
      branches.append((condition, statements))
      if word == "endif" { break }
      condition = word == "elif" ? try tupleOrExpression(withCondition: false) : nil
    }
    try expect(.blockEnd)
    return .branches(branches)
  }

  private mutating func loop(line: Int) throws(InputError) -> TemplateStatement {
    let target = try target(withMembers: false)
    try expectName("in")
    let items = try tupleOrExpression(withCondition: false, endsAt: "recursive")
    let condition = takeName("if") ? try expression() : nil
    let isRecursive = takeName("recursive")
    try expect(.blockEnd)
    loops += 1
    let (statements, word) = try body(until: ["else", "endfor"])
    loops -= 1
    let otherwise = word == "else" ? try body(ending: "endfor") : []
    if word != "else" { try expect(.blockEnd) }
    return .loop(
      TemplateLoop(
        target: target, items: items, condition: condition, isRecursive: isRecursive,
        body: statements, otherwise: otherwise, line: line))
  }

  private mutating func assignment() throws(InputError) -> TemplateStatement {
    let target = try target(withMembers: true)
    if takeSymbol("=") {
      let value = try tupleOrExpression()
      try expect(.blockEnd)
      return .assign(target, value)
    }
    let filters = isSymbol("|") ? try filterChain(afterBar: false) : []
    return .capture(target, filters, try body(ending: "endset"))
  }

  private mutating func with() throws(InputError) -> TemplateStatement {
    var assignments: [(TemplateTarget, TemplateExpression)] = []
    while current.kind != .blockEnd {
      if !assignments.isEmpty { try expectSymbol(",") }
      let target = try target(withMembers: false, isTuple: false)
      try expectSymbol("=")
      assignments.append((target, try expression()))
    }
    return .scope(assignments, try body(ending: "endwith"))
  }

  private mutating func macro(line: Int) throws(InputError) -> TemplateMacro {
    guard case .name(let name) = current.kind else { throw unexpected("the name of a macro") }
    place += 1
    return try macro(name, ending: "endmacro", parameters: try parameters(), line: line)
  }

  /// The body of a macro, in which there is no loop yet.
  private mutating func macro(
    _ name: String, ending: String,
    parameters: [(name: String, id: Int, standard: TemplateExpression?)], line: Int
  ) throws(InputError) -> TemplateMacro {
    let outer = (loops, isInMacro)
    (loops, isInMacro) = (0, true)
    defer { (loops, isInMacro) = outer }
    return TemplateMacro(
      name: name, id: number(of: name), parameters: parameters, body: try body(ending: ending),
      line: line)
  }

  private mutating func parameters() throws(InputError) -> [(
    name: String, id: Int, standard: TemplateExpression?
  )] {
    var parameters: [(name: String, id: Int, standard: TemplateExpression?)] = []
    try expectSymbol("(")
    while !takeSymbol(")") {
      if !parameters.isEmpty { try expectSymbol(",") }
      guard case .name(let name) = current.kind, !Self.constants.contains(name) else {
        throw unexpected("the name of a parameter")
      }
      place += 1
      let standard = takeSymbol("=") ? try expression() : nil
      if standard == nil, parameters.last?.standard != nil {
        throw malformed("a parameter without a value after one with a value", "a value")
      }
      parameters.append((name, number(of: name), standard))
    }
    return parameters
  }

  private mutating func callBlock(line: Int) throws(InputError) -> TemplateStatement {
    let parameters = isSymbol("(") ? try parameters() : []
    let call = try expression()
    guard case .call = call.kind else {
      throw malformed("no call in \"call\"", "a call of a macro")
    }
    return .call(
      call, caller: try macro("caller", ending: "endcall", parameters: parameters, line: line))
  }

  /// Filters: `upper | trim`; or `| upper | trim`.
  private mutating func filterChain(
    afterBar: Bool = true
  ) throws(InputError) -> [TemplateFilterCall] {
    var filters: [TemplateFilterCall] = []
    if afterBar { filters.append(try filterCall()) }
    while takeSymbol("|") { filters.append(try filterCall()) }
    return filters
  }

  /// What a value is assigned to: a name, with `withMembers` a member of a namespace, or several of
  /// them.
  private mutating func target(
    withMembers: Bool, isTuple: Bool = true
  ) throws(InputError) -> TemplateTarget {
    var targets: [TemplateTarget] = []
    repeat {
      if !targets.isEmpty, !isTargetStart { break }
      targets.append(try singleTarget(withMembers: withMembers))
    } while isTuple && takeSymbol(",")
    let isSingle = targets.count == 1 && !(isTuple && wasSymbol(","))
    return isSingle ? targets[0] : .tuple(targets)
  }

  private var isTargetStart: Bool {
    if case .name(let name) = current.kind { return name != "in" }
    return isSymbol("(")
  }

  private mutating func singleTarget(withMembers: Bool) throws(InputError) -> TemplateTarget {
    if takeSymbol("(") {
      try enter()
      defer { depth -= 1 }
      let target = try target(withMembers: withMembers)
      try expectSymbol(")")
      return target
    }
    guard case .name(let name) = current.kind, !Self.constants.contains(name) else {
      throw unexpected("a name to assign to")
    }
    place += 1
    guard withMembers, takeSymbol(".") else { return .name(number(of: name)) }
    guard case .name(let member) = current.kind else { throw unexpected("the name of a member") }
    place += 1
    return .attribute(number(of: name), member)
  }
}

/// The blocks of the language.
private enum TemplateBlock: String {
  case `if`, `for`, set, macro, call, filter, with, generation, `break`, `continue`, print

  /// Blocks of Jinja that chat templates do not use.
  static let unsupported = [
    "include", "import", "from", "extends", "block", "autoescape", "trans", "do", "debug",
  ]
}
