import BitCore

/// How far a loop is.
struct TemplateLoopState {
  let loop: TemplateLoop
  /// All items, of which `scanned` were tried against the loop's condition.
  let items: [TemplateValue]
  var scanned: Int
  /// The items that have a turn, as far as they are known.
  var accepted: [TemplateValue]
  /// The turn, from 0.
  var index = 0
  /// How many loops of the same kind it is inside of, by recursion.
  let depth: Int
  /// The scope around the loop.
  let scope: Int
  let serial: Int
  /// What `loop.changed` was last called with.
  var last: [TemplateValue]?
}

extension TemplateInterpreter {
  mutating func run(_ loop: TemplateLoop) throws(InputError) {
    line = loop.line
    try run(loop, over: evaluate(loop.items), depth: 0, scope: scopes.count - 1)
  }

  private mutating func run(
    _ loop: TemplateLoop, over value: TemplateValue, depth: Int, scope: Int
  ) throws(InputError) {
    line = loop.line
    let items = try elements(of: value)
    try charge(128)
    let number = loops.count
    // Without a condition, every item has its turn. With one, items are tried as they are needed,
    // since what the body sets may change the answer.
    let isFiltered = loop.condition != nil
    loops.append(
      TemplateLoopState(
        loop: loop, items: items, scanned: isFiltered ? 0 : items.count,
        accepted: isFiltered ? [] : items, depth: depth, scope: scope,
        serial: scopes[scope].serial))
    try pushScope(parent: scope)
    defer { scopes.removeLast() }
    var index = 0
    while try hasTurn(index, of: number) {
      turns += 1
      if turns > limits.turns {
        throw limit("more than \(limits.turns) turns of loops", "a template that ends earlier")
      }
      try countStep()
      scopes[scopes.count - 1].removeAll()
      loops[number].index = index
      define(TemplateName.loop, .loop(number))
      try assign(loops[number].accepted[index], to: loop.target)
      if try run(loop.body) == .endLoop { return }
      index += 1
    }
    if index == 0 {
      scopes[scopes.count - 1].removeAll()
      _ = try run(loop.otherwise)
    }
  }

  /// Whether a loop has a turn of that index. Tries more items if that is not known yet.
  private mutating func hasTurn(_ index: Int, of number: Int) throws(InputError) -> Bool {
    while loops[number].accepted.count <= index, loops[number].scanned < loops[number].items.count {
      let state = loops[number]
      guard let condition = state.loop.condition else { break }
      guard state.scope < scopes.count, scopes[state.scope].serial == state.serial else {
        throw unsupported("the next item of a loop that is over", "a loop that still goes on")
      }
      let item = state.items[state.scanned]
      loops[number].scanned += 1
      try countStep()
      try pushScope(parent: state.scope)
      defer { scopes.removeLast() }
      try assign(item, to: state.loop.target)
      if try evaluate(condition).isTrue { loops[number].accepted.append(item) }
    }
    return loops[number].accepted.count > index
  }

  /// A member of the variable `loop`; nil if there is none of that name.
  mutating func member(
    _ name: String, ofLoop number: Int
  ) throws(InputError) -> TemplateValue? {
    let index = loops[number].index
    switch name {
    case "index": return .integer(Int128(index + 1))
    case "index0": return .integer(Int128(index))
    case "first": return .bool(index == 0)
    case "last": return .bool(try !hasTurn(index + 1, of: number))
    case "length": return .integer(Int128(try length(ofLoop: number)))
    case "revindex": return .integer(Int128(try length(ofLoop: number) - index))
    case "revindex0": return .integer(Int128(try length(ofLoop: number) - index - 1))
    case "previtem":
      return index == 0 ? .undefined("previtem") : loops[number].accepted[index - 1]
    case "nextitem":
      guard try hasTurn(index + 1, of: number) else { return .undefined("nextitem") }
      return loops[number].accepted[index + 1]
    case "depth": return .integer(Int128(loops[number].depth + 1))
    case "depth0": return .integer(Int128(loops[number].depth))
    case "cycle", "changed": return .function(.method(.loop(number), name))
    default: return nil
    }
  }

  private mutating func length(ofLoop number: Int) throws(InputError) -> Int {
    _ = try hasTurn(.max, of: number)
    return loops[number].accepted.count
  }

  /// `loop.cycle(a, b)` and `loop.changed(a)`.
  mutating func call(
    _ name: String, ofLoop number: Int, _ arguments: TemplateArguments
  ) throws(InputError) -> TemplateValue {
    let values = Array(arguments.values)
    guard arguments.named.isEmpty, name == "changed" || !values.isEmpty else {
      throw mismatch("the arguments of \"loop.\(name)\"", "values")
    }
    if name == "cycle" { return values[loops[number].index % values.count] }
    let isSame: Bool
    if let last = loops[number].last, last.count == values.count {
      isSame = try areEqual(last, values)
    } else {
      isSame = false
    }
    loops[number].last = values
    return .bool(!isSame)
  }

  /// `loop(items)` in a recursive loop: what the loop prints for other items.
  mutating func callLoop(
    _ number: Int, _ arguments: TemplateArguments
  ) throws(InputError) -> TemplateValue {
    let state = loops[number]
    guard state.loop.isRecursive, arguments.values.count == 1, arguments.named.isEmpty,
      let items = arguments.values.first
    else { throw mismatch("a call of \"loop\"", "\"recursive\" after \"for\", and one list") }
    guard state.scope < scopes.count, scopes[state.scope].serial == state.serial else {
      throw unsupported("a call of a loop that is over", "a loop that still goes on")
    }
    try enter()
    defer { leave() }
    var outer = ""
    swap(&outer, &output)
    try run(state.loop, over: items, depth: state.depth + 1, scope: state.scope)
    swap(&outer, &output)
    try charge(outer.utf8.count)
    return .string(outer)
  }
}
