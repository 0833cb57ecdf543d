import BitCore
import BitFiles

/// Renders a template once.
///
/// Namespaces, loops and macros, to which values refer, live in its arrays until the end.
struct TemplateInterpreter {
  /// The name of the template for errors.
  let source: String
  let limits: TemplateLimits
  let names: [String]
  let date: TemplateDate?

  /// The text that was printed, or of the innermost block that is captured.
  var output = ""
  var scopes: [TemplateScope] = [TemplateScope(parent: nil, serial: 0)]
  var namespaces: [TemplateMap] = []
  var loops: [TemplateLoopState] = []
  var macros: [(macro: TemplateMacro, scope: Int, serial: Int)] = []
  /// How many elements of each generator were taken.
  var generators: [Int] = []

  /// The line of what is evaluated.
  var line = 1
  private var steps = 0
  var turns = 0
  private var work = 0
  private var depth = 0
  private var serial = 0

  /// How a statement ends.
  enum Ending {
    case normal
    case endLoop
    case nextTurn
  }

  init(
    source: String, limits: TemplateLimits, names: [String], date: TemplateDate?
  ) {
    self.source = source
    self.limits = limits
    self.names = names
    self.date = date
  }

  /// Does statements up to the first that ends a loop or its turn.
  mutating func run(_ statements: [TemplateStatement]) throws(InputError) -> Ending {
    try enter()
    defer { leave() }
    for statement in statements {
      try countStep()
      let ending = try run(statement)
      if ending != .normal { return ending }
    }
    return .normal
  }

  private mutating func run(_ statement: TemplateStatement) throws(InputError) -> Ending {
    switch statement {
    case .text(let text): try print(text)
    case .print(let expression):
      let value = try evaluate(expression)
      line = expression.line
      try print(text(value))
    case .branches(let branches):
      for branch in branches {
        if let condition = branch.condition, try !evaluate(condition).isTrue { continue }
        return try run(branch.body)
      }
    case .loop(let loop): try run(loop)
    case .endLoop: return .endLoop
    case .nextTurn: return .nextTurn
    case .assign(let target, let expression): try assign(evaluate(expression), to: target)
    case .capture(let target, let filters, let body):
      return try capture(body, filters: filters) {
        (text, interpreter) throws(InputError) in try interpreter.assign(text, to: target)
      }
    case .filtered(let filters, let body):
      return try capture(body, filters: filters) {
        (text, interpreter) throws(InputError) in try interpreter.print(interpreter.text(text))
      }
    case .macro(let macro): define(macro.id, try newMacro(macro))
    case .call(let call, let caller): try run(call: call, caller: caller)
    case .scope(let assignments, let body): return try run(assignments, body)
    }
    return .normal
  }

  private mutating func run(
    _ assignments: [(TemplateTarget, TemplateExpression)], _ body: [TemplateStatement]
  ) throws(InputError) -> Ending {
    var values: [TemplateValue] = []
    for (_, expression) in assignments { values.append(try evaluate(expression)) }
    try pushScope(parent: scopes.count - 1)
    defer { scopes.removeLast() }
    for ((target, _), value) in zip(assignments, values) { try assign(value, to: target) }
    return try run(body)
  }

  /// Gives what a body prints, filtered, to `use`; unless the body ends a loop or its turn.
  private mutating func capture(
    _ body: [TemplateStatement], filters: [TemplateFilterCall],
    use: (TemplateValue, inout TemplateInterpreter) throws(InputError) -> Void
  ) throws(InputError) -> Ending {
    try pushScope(parent: scopes.count - 1)
    let (text, ending) = try captured(body)
    scopes.removeLast()
    guard ending == .normal else { return ending }
    var value = TemplateValue.string(text)
    for filter in filters { value = try apply(filter, to: value) }
    try use(value, &self)
    return .normal
  }

  /// What a body prints.
  mutating func captured(_ body: [TemplateStatement]) throws(InputError) -> (String, Ending) {
    var outer = ""
    swap(&outer, &output)
    let ending = try run(body)
    swap(&outer, &output)
    try charge(outer.utf8.count)
    return (outer, ending)
  }

  /// Adds to the output.
  mutating func print(_ text: String) throws(InputError) {
    guard output.utf8.count + text.utf8.count <= limits.output else {
      throw limit("more than \(limits.output) bytes of text", "at most \(limits.output)")
    }
    output += text
  }
}

// Names.

extension TemplateInterpreter {
  /// Opens a scope; the caller removes it.
  mutating func pushScope(parent: Int) throws(InputError) {
    serial += 1
    try charge(64)
    scopes.append(TemplateScope(parent: parent, serial: serial))
  }

  /// Sets a name in the innermost scope.
  mutating func define(_ id: Int, _ value: TemplateValue) {
    scopes[scopes.count - 1].set(id, value)
  }

  /// The value of a name.
  func value(of id: Int) -> TemplateValue {
    var scope: Int? = scopes.count - 1
    while let place = scope {
      if let value = scopes[place][id] { return value }
      scope = scopes[place].parent
    }
    if let global = TemplateGlobal(names[id]), global != .strftimeNow || date != nil {
      return .function(.global(global))
    }
    return .undefined(names[id])
  }

  /// Assigns a value to a name, a member of a namespace, or its elements to several.
  mutating func assign(
    _ value: TemplateValue, to target: TemplateTarget
  ) throws(InputError) {
    switch target {
    case .name(let id): define(id, value)
    case .attribute(let id, let member):
      let object = self.value(of: id)
      guard case .namespace(let number) = object else {
        throw mismatch("a member set in \(object.kindName)", "a namespace")
      }
      try charge(48)
      namespaces[number].set(member, value)
    case .tuple(let targets):
      let elements = try elements(of: value)
      guard elements.count == targets.count else {
        throw mismatch("\(elements.count) values for \(targets.count) names", "as many as names")
      }
      for (target, element) in zip(targets, elements) { try assign(element, to: target) }
    }
  }
}

// Limits and errors.

extension TemplateInterpreter {
  /// Counts a statement or a part of an expression.
  mutating func countStep() throws(InputError) {
    steps += 1
    if steps > limits.steps {
      throw limit("more than \(limits.steps) steps", "a template that ends earlier")
    }
  }

  /// Counts bytes that are copied or searched.
  mutating func charge(_ bytes: Int) throws(InputError) {
    work += bytes
    if work > limits.work {
      throw limit(
        "more than \(limits.work) bytes of strings and lists", "a template that needs less")
    }
  }

  /// Counts an evaluation inside of others.
  mutating func enter() throws(InputError) {
    depth += 1
    if depth > limits.depth {
      depth -= 1
      throw limit(
        "macros and expressions inside one another, \(limits.depth + 1) deep",
        "at most \(limits.depth)")
    }
  }

  mutating func leave() { depth -= 1 }

  /// A list, whose elements are not nested too deeply.
  mutating func newList(
    _ elements: [TemplateValue], _ kind: TemplateList.Kind = .list
  ) throws(InputError) -> TemplateValue {
    try charge(32 * elements.count + 32)
    let list = TemplateList(elements, kind)
    try checkDepth(list.depth)
    return .list(list)
  }

  /// What a filter gives that can be gone through once.
  mutating func newGenerator(_ elements: [TemplateValue]) throws(InputError) -> TemplateValue {
    generators.append(0)
    return try newList(elements, .generator(generators.count - 1))
  }

  func checkDepth(_ depth: Int) throws(InputError) {
    if depth > limits.valueDepth {
      throw limit(
        "lists and maps inside one another, \(depth) deep", "at most \(limits.valueDepth)")
    }
  }

  /// An error in what the template does with its values.
  func mismatch(_ found: String, _ expected: String) -> InputError {
    error(.mismatch, found, expected)
  }

  /// An error about something of Jinja that is not supported.
  func unsupported(_ found: String, _ expected: String) -> InputError {
    error(.unsupported, found, expected)
  }

  /// An error about a limit.
  func limit(_ found: String, _ expected: String) -> InputError {
    error(.unsupported, found, expected)
  }

  private func error(_ kind: InputError.Kind, _ found: String, _ expected: String) -> InputError {
    InputError(kind, source: "\(source), line \(line)", found: found, expected: expected)
  }
}
