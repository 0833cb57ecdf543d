import BitCore
import BitFiles

/// The values that a function, filter or test is called with.
struct TemplateArguments {
  var values: ArraySlice<TemplateValue> = []
  var named: [(name: String, value: TemplateValue)] = []

  var isEmpty: Bool { values.isEmpty && named.isEmpty }

  /// Takes the next parameter, whose name this is; nil if it is not given.
  mutating func take(_ name: String) -> TemplateValue? {
    if let value = values.popFirst() { return value }
    let place = named.firstIndex { ByteKey($0.name) == ByteKey(name) }
    return place.map { named.remove(at: $0).value }
  }
}

/// A function that is always there.
enum TemplateGlobal: Sendable, Equatable {
  case range, namespace, dict, raiseException, strftimeNow
  /// A function of Jinja that chat templates do not use.
  case unsupported(String)

  init?(_ name: String) {
    switch name {
    case "range": self = .range
    case "namespace": self = .namespace
    case "dict": self = .dict
    case "raise_exception": self = .raiseException
    case "strftime_now": self = .strftimeNow
    case "lipsum", "cycler", "joiner": self = .unsupported(name)
    default: return nil
    }
  }
}

extension TemplateInterpreter {
  mutating func arguments(
    _ arguments: TemplateCallArguments
  ) throws(InputError) -> TemplateArguments {
    var evaluated = TemplateArguments()
    if !arguments.values.isEmpty { evaluated.values = try values(of: arguments.values)[...] }
    for (name, value) in arguments.named { evaluated.named.append((name, try evaluate(value))) }
    return evaluated
  }

  /// Calls what an expression gives. Methods need not be made values first.
  mutating func call(
    _ callee: TemplateExpression, _ arguments: TemplateCallArguments, caller: TemplateValue?,
    line: Int
  ) throws(InputError) -> TemplateValue {
    let function = try evaluate(callee)
    let values = try self.arguments(arguments)
    self.line = line
    switch function {
    case .function(.method(.loop(let number), let name)):
      return try call(name, ofLoop: number, values)
    case .function(.method(let value, let name)): return try call(name, of: value, values)
    case .function(.global(let global)): return try call(global, values)
    case .function(.macro(let number)):
      return .string(try call(macro: number, values, caller: caller))
    case .loop(let number): return try callLoop(number, values)
    default: throw mismatch("a call of \(function.kindName)", "a function or a macro")
    }
  }

  /// A macro that sees the names of the innermost scope.
  mutating func newMacro(_ macro: TemplateMacro) throws(InputError) -> TemplateValue {
    try charge(64)
    let scope = scopes.count - 1
    macros.append((macro, scope, scopes[scope].serial))
    return .function(.macro(macros.count - 1))
  }

  /// A `call` block: prints what the call gives, with the block's body as `caller`.
  mutating func run(
    call expression: TemplateExpression, caller: TemplateMacro
  ) throws(InputError) {
    guard case .call(let callee, let arguments) = expression.kind else { return }
    let caller = try newMacro(caller)
    let value = try call(callee, arguments, caller: caller, line: expression.line)
    try print(text(value))
  }

  /// What a macro prints.
  private mutating func call(
    macro number: Int, _ arguments: TemplateArguments, caller: TemplateValue?
  ) throws(InputError) -> String {
    let (macro, scope, serial) = macros[number]
    guard scope < scopes.count, scopes[scope].serial == serial else {
      throw unsupported(
        "a call of the macro \(ErrorText.quoted(macro.name)) outside of the block that defines it",
        "a call inside of it")
    }
    let line = self.line
    try enter()
    defer { leave() }
    try pushScope(parent: scope)
    try bind(macro, arguments, caller: caller)
    self.line = line
    let (text, _) = try captured(macro.body)
    scopes.removeLast()
    self.line = line
    return text
  }

  /// Sets the parameters of a macro in its scope.
  private mutating func bind(
    _ macro: TemplateMacro, _ arguments: TemplateArguments, caller: TemplateValue?
  ) throws(InputError) {
    let line = self.line
    var arguments = arguments
    if let caller { define(TemplateName.caller, caller) }
    for parameter in macro.parameters {
      if let value = arguments.take(parameter.name) {
        define(parameter.id, value)
      } else if let standard = parameter.standard {
        define(parameter.id, try evaluate(standard))
      } else {
        define(parameter.id, .undefined(parameter.name))
      }
    }
    self.line = line
    if !arguments.isEmpty {
      let extra = arguments.named.first.map { " named \(ErrorText.quoted($0.name))" } ?? ""
      throw mismatch(
        "a further argument\(extra) of the macro \(ErrorText.quoted(macro.name))",
        "at most \(macro.parameters.count) arguments")
    }
  }

  private mutating func call(
    _ global: TemplateGlobal, _ arguments: TemplateArguments
  ) throws(InputError) -> TemplateValue {
    var arguments = arguments
    switch global {
    case .range: return try range(arguments)
    case .namespace, .dict:
      let map = try map(arguments)
      if global == .dict { return .map(map) }
      namespaces.append(map)
      return .namespace(namespaces.count - 1)
    case .raiseException:
      let message = try arguments.take("message").map { (value) throws(InputError) in
        try text(value)
      }
      throw mismatch(Self.oneLine(message ?? ""), "messages that the template accepts")
    case .strftimeNow:
      guard let format = arguments.take("format")?.stringValue, arguments.isEmpty, let date else {
        throw mismatch("the arguments of strftime_now", "a format")
      }
      let text: String
      do { text = try date.formatted(format) } catch {
        throw unsupported("the code \(error.code) in a format of dates", "another code")
      }
      try checkLength(text.utf8.count)
      return .string(text)
    case .unsupported(let name):
      throw unsupported("a call of \(name)", "a function that chat templates use")
    }
  }

  /// A message of bounded length on one line.
  private static func oneLine(_ message: String) -> String {
    var line = String.UnicodeScalarView()
    for scalar in message.unicodeScalars.prefix(1000) {
      line.append(scalar.value < 0x20 || scalar.value == 0x7f ? " " : scalar)
    }
    return String(line)
  }

  /// The members that `namespace` and `dict` are called with.
  private mutating func map(_ arguments: TemplateArguments) throws(InputError) -> TemplateMap {
    var map = TemplateMap()
    for value in arguments.values {
      guard case .map(let members) = value, arguments.values.count == 1 else {
        throw mismatch("\(value.kindName) to make a map of", "one map, or names with values")
      }
      map = members
    }
    for (name, value) in arguments.named { map.set(name, value) }
    try charge(48 * map.members.count + 48)
    try checkDepth(map.depth)
    return map
  }

  private mutating func range(_ arguments: TemplateArguments) throws(InputError) -> TemplateValue {
    let bounds = arguments.values.map { $0.integerValue.flatMap(Int.init(exactly:)) }
    guard arguments.named.isEmpty, (1...3).contains(bounds.count), !bounds.contains(nil) else {
      throw mismatch("the arguments of range", "one to three whole numbers")
    }
    let values = bounds.compactMap { $0 }
    let (start, end) = values.count == 1 ? (0, values[0]) : (values[0], values[1])
    let step = values.count == 3 ? values[2] : 1
    guard step != 0 else { throw mismatch("a range with step 0", "another step") }
    // In 128 bits, since the distance of two integers may need 65.
    let distance = Int128(end) - Int128(start)
    let isEmpty = distance == 0 || (distance > 0) != (step > 0)
    let count = isEmpty ? 0 : (distance.magnitude - 1) / UInt128(step.magnitude) + 1
    guard count <= limits.turns else {
      throw limit("a range of \(count) numbers", "at most \(limits.turns)")
    }
    try charge(32 * Int(count))
    let elements = (0..<Int(count)).map { place -> TemplateValue in
      .integer(Int128(start) + Int128(place) * Int128(step))
    }
    return .list(TemplateList(elements, .range))
  }
}
