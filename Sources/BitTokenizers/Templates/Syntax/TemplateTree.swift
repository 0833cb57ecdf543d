/// A part of an expression with its line in the source.
final class TemplateExpression: Sendable {
  indirect enum Kind: Sendable {
    case constant(TemplateValue)
    /// The number of a name.
    case name(Int)
    case list([TemplateExpression])
    case tuple([TemplateExpression])
    case map([(key: TemplateExpression, value: TemplateExpression)])
    /// `a.b`
    case attribute(TemplateExpression, String)
    /// `a[b]`
    case item(TemplateExpression, TemplateExpression)
    /// `a[start:stop:step]`
    case slice(TemplateExpression, [TemplateExpression?])
    case call(TemplateExpression, TemplateCallArguments)
    case filter(TemplateExpression, TemplateFilterCall)
    case test(TemplateExpression, TemplateTest, TemplateCallArguments, isNegated: Bool)
    /// Operators of the same rank, from left to right.
    case arithmetic(TemplateExpression, [(sign: TemplateOperator, value: TemplateExpression)])
    /// `a ~ b ~ c`
    case joined([TemplateExpression])
    /// `a < b < c`
    case comparison(TemplateExpression, [(sign: TemplateComparison, value: TemplateExpression)])
    case and([TemplateExpression])
    case or([TemplateExpression])
    case not(TemplateExpression)
    case negative(TemplateExpression)
    case positive(TemplateExpression)
    case conditional(
      condition: TemplateExpression, then: TemplateExpression, otherwise: TemplateExpression?)
  }

  let kind: Kind
  let line: Int

  init(_ kind: Kind, line: Int) {
    self.kind = kind
    self.line = line
  }
}

/// An arithmetic operator.
enum TemplateOperator: String, Sendable {
  case add = "+"
  case subtract = "-"
  case multiply = "*"
  case divide = "/"
  case divideDown = "//"
  case remainder = "%"
  case power = "**"
}

/// An operator that gives true or false.
enum TemplateComparison: String, Sendable {
  case equal = "=="
  case unequal = "!="
  case less = "<"
  case lessOrEqual = "<="
  case greater = ">"
  case greaterOrEqual = ">="
  case isIn = "in"
  case isNotIn = "not in"
}

/// What is written between the parentheses of a call.
struct TemplateCallArguments: Sendable {
  var values: [TemplateExpression] = []
  var named: [(name: String, value: TemplateExpression)] = []
}

/// A filter with its arguments.
struct TemplateFilterCall: Sendable {
  let filter: TemplateFilter
  let arguments: TemplateCallArguments
  let line: Int
}

/// A statement of a template.
indirect enum TemplateStatement: Sendable {
  case text(String)
  case print(TemplateExpression)
  /// if, elif, else (without a condition).
  case branches([(condition: TemplateExpression?, body: [TemplateStatement])])
  case loop(TemplateLoop)
  case endLoop
  case nextTurn
  case assign(TemplateTarget, TemplateExpression)
  /// A target for what a body prints.
  case capture(TemplateTarget, [TemplateFilterCall], [TemplateStatement])
  case macro(TemplateMacro)
  /// `{% call %}`: an expression that calls a macro, and a body that the macro can call.
  case call(TemplateExpression, caller: TemplateMacro)
  case filtered([TemplateFilterCall], [TemplateStatement])
  /// A body with names of its own.
  case scope([(TemplateTarget, TemplateExpression)], [TemplateStatement])
}

/// A `for` loop.
final class TemplateLoop: Sendable {
  let target: TemplateTarget
  let items: TemplateExpression
  /// Only the items for which this is true have a turn.
  let condition: TemplateExpression?
  let isRecursive: Bool
  let body: [TemplateStatement]
  /// What is done if there was no turn.
  let otherwise: [TemplateStatement]
  let line: Int

  init(
    target: TemplateTarget, items: TemplateExpression, condition: TemplateExpression?,
    isRecursive: Bool, body: [TemplateStatement], otherwise: [TemplateStatement], line: Int
  ) {
    self.target = target
    self.items = items
    self.condition = condition
    self.isRecursive = isRecursive
    self.body = body
    self.otherwise = otherwise
    self.line = line
  }
}

/// A macro, or the body of a `call` block.
final class TemplateMacro: Sendable {
  let name: String
  /// The number of the name.
  let id: Int
  let parameters: [(name: String, id: Int, standard: TemplateExpression?)]
  let body: [TemplateStatement]
  let line: Int

  init(
    name: String, id: Int, parameters: [(name: String, id: Int, standard: TemplateExpression?)],
    body: [TemplateStatement], line: Int
  ) {
    self.name = name
    self.id = id
    self.parameters = parameters
    self.body = body
    self.line = line
  }
}

/// What a value is assigned to.
indirect enum TemplateTarget: Sendable {
  /// The number of a name.
  case name(Int)
  /// A member of the namespace of that name.
  case attribute(Int, String)
  case tuple([TemplateTarget])
}

/// A parsed template.
struct TemplateTree: Sendable {
  let statements: [TemplateStatement]
  /// The names by their numbers.
  let names: [String]
}

/// The numbers of names that the interpreter itself sets.
enum TemplateName {
  static let loop = 0
  static let caller = 1
  static let all = ["loop", "caller"]
}
