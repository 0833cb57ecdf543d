import BitCore
import BitFiles

extension TemplateInterpreter {
  /// The value of an expression.
  mutating func evaluate(_ expression: TemplateExpression) throws(InputError) -> TemplateValue {
    try countStep()
    line = expression.line
    switch expression.kind {
    case .constant(let value): return value
    case .name(let id): return value(of: id)
    default: break
    }
    try enter()
    defer { leave() }
    // A function for each group: one for all would need much of the stack at every level.
    let value =
      switch expression.kind {
      case .list, .tuple, .map, .conditional: try evaluateLiteral(expression)
      case .attribute, .item, .slice: try evaluateMember(expression)
      case .call, .filter, .test: try evaluateCall(expression)
      default: try evaluateOperator(expression)
      }
    line = expression.line
    return value
  }

  private mutating func evaluateLiteral(
    _ expression: TemplateExpression
  ) throws(InputError) -> TemplateValue {
    switch expression.kind {
    case .list(let elements): try newList(values(of: elements))
    case .tuple(let elements): try newList(values(of: elements), .tuple)
    case .map(let members): try map(members)
    case .conditional(let condition, let then, let otherwise):
      try conditional(condition, then, otherwise)
    default: preconditionFailure("not a literal")
    }
  }

  private mutating func evaluateMember(
    _ expression: TemplateExpression
  ) throws(InputError) -> TemplateValue {
    switch expression.kind {
    case .attribute(let object, let name): try attribute(name, of: evaluate(object))
    case .item(let object, let index): try item(object, index, line: expression.line)
    case .slice(let object, let parts): try slice(object, parts, line: expression.line)
    default: preconditionFailure("not a member")
    }
  }

  private mutating func evaluateCall(
    _ expression: TemplateExpression
  ) throws(InputError) -> TemplateValue {
    switch expression.kind {
    case .call(let callee, let arguments):
      try call(callee, arguments, caller: nil, line: expression.line)
    case .filter(let value, let call): try apply(call, to: evaluate(value))
    case .test(let value, let test, let arguments, let isNegated):
      .bool(try self.test(test, value, arguments, line: expression.line) != isNegated)
    default: preconditionFailure("not a call")
    }
  }

  private mutating func evaluateOperator(
    _ expression: TemplateExpression
  ) throws(InputError) -> TemplateValue {
    switch expression.kind {
    case .arithmetic(let first, let rest): try arithmetic(first, rest, line: expression.line)
    case .joined(let parts): try joined(parts)
    case .comparison(let first, let rest): try comparison(first, rest, line: expression.line)
    case .and(let parts): try choice(parts, stopsAt: false)
    case .or(let parts): try choice(parts, stopsAt: true)
    case .not(let value): .bool(try !evaluate(value).isTrue)
    case .negative(let value): try signed(value, isNegative: true, line: expression.line)
    case .positive(let value): try signed(value, isNegative: false, line: expression.line)
    default: preconditionFailure("not an operator")
    }
  }

  mutating func values(
    of expressions: [TemplateExpression]
  ) throws(InputError) -> [TemplateValue] {
    var values: [TemplateValue] = []
    values.reserveCapacity(expressions.count)
    for expression in expressions { values.append(try evaluate(expression)) }
    return values
  }

  private mutating func map(
    _ members: [(key: TemplateExpression, value: TemplateExpression)]
  ) throws(InputError) -> TemplateValue {
    var map = TemplateMap()
    for member in members {
      let key = try evaluate(member.key)
      guard let name = key.stringValue else {
        throw unsupported("\(key.kindName) as the key of a map", "a string")
      }
      map.set(name, try evaluate(member.value))
    }
    try charge(48 * members.count + 48)
    try checkDepth(map.depth)
    return .map(map)
  }

  private mutating func joined(_ parts: [TemplateExpression]) throws(InputError) -> TemplateValue {
    var joined = ""
    for part in parts { joined += try text(evaluate(part)) }
    try checkLength(joined.utf8.count)
    return .string(joined)
  }

  /// The first value that decides `or` (stops at true) or `and` (stops at false), or the last one.
  private mutating func choice(
    _ parts: [TemplateExpression], stopsAt: Bool
  ) throws(InputError) -> TemplateValue {
    var value = TemplateValue.none
    for part in parts {
      value = try evaluate(part)
      if value.isTrue == stopsAt { break }
    }
    return value
  }

  private mutating func conditional(
    _ condition: TemplateExpression, _ then: TemplateExpression, _ otherwise: TemplateExpression?
  ) throws(InputError) -> TemplateValue {
    if try evaluate(condition).isTrue { return try evaluate(then) }
    guard let otherwise else { return .undefined("the other case of an \"if\" without \"else\"") }
    return try evaluate(otherwise)
  }

  /// Checks the length of a string that was made, and charges for it.
  mutating func checkLength(_ bytes: Int) throws(InputError) {
    if bytes > limits.output {
      throw limit("a string of more than \(limits.output) bytes", "a shorter one")
    }
    try charge(bytes)
  }
}

// Members and elements.

extension TemplateInterpreter {
  /// `value.name`: a method, otherwise a member.
  mutating func attribute(
    _ name: String, of value: TemplateValue
  ) throws(InputError) -> TemplateValue {
    switch value {
    case .undefined:
      throw mismatch(
        "the member \(ErrorText.quoted(name)) of \(value.kindName)", "a value that is defined")
    case .namespace(let number): return namespaces[number][name] ?? .undefined(name)
    case .loop(let number): return try member(name, ofLoop: number) ?? .undefined(name)
    default: break
    }
    if TemplateMethods.has(name, value) { return .function(.method(value, name)) }
    if case .map(let map) = value, let member = map[name] { return member }
    return .undefined(name)
  }

  private mutating func item(
    _ object: TemplateExpression, _ index: TemplateExpression, line: Int
  ) throws(InputError) -> TemplateValue {
    let value = try evaluate(object)
    let place = try evaluate(index)
    self.line = line
    return try item(place, of: value)
  }

  /// `value[index]`: a member or element, otherwise a method.
  mutating func item(
    _ index: TemplateValue, of value: TemplateValue
  ) throws(InputError) -> TemplateValue {
    if case .undefined = value {
      throw mismatch("an element of \(value.kindName)", "a value that is defined")
    }
    if let name = index.stringValue {
      if case .map(let map) = value, let member = map[name] { return member }
      return try attribute(name, of: value)
    }
    guard let place = index.integerValue.flatMap(Int.init(exactly:)) else {
      return .undefined("element")
    }
    switch value {
    case .list(let list):
      switch list.kind {
      case .list, .tuple, .range:
        let place = place < 0 ? place + list.elements.count : place
        return list.elements.indices.contains(place)
          ? list.elements[place] : .undefined("element \(place)")
      default: return .undefined("element \(place)")
      }
    case .string(let text):
      return try character(place, of: text).map { .string($0) }
        ?? .undefined("element \(place)")
    case .safe(let text):
      return try character(place, of: text).map { .safe($0) }
        ?? .undefined("element \(place)")
    default: return .undefined("element \(place)")
    }
  }

  /// The character at a place, from the end if it is negative.
  private mutating func character(_ place: Int, of text: String) throws(InputError) -> String? {
    let scalars = text.unicodeScalars
    let distance = place < 0 ? ~place : place
    guard distance < text.utf8.count else { return nil }
    try charge(min(text.utf8.count, 4 * distance))
    if place < 0 {
      let index = scalars.index(scalars.endIndex, offsetBy: place, limitedBy: scalars.startIndex)
      return index.map { String(scalars[$0]) }
    }
    let index = scalars.index(scalars.startIndex, offsetBy: place, limitedBy: scalars.endIndex)
    guard let index, index != scalars.endIndex else { return nil }
    return String(scalars[index])
  }

  private mutating func slice(
    _ object: TemplateExpression, _ parts: [TemplateExpression?], line: Int
  ) throws(InputError) -> TemplateValue {
    let value = try evaluate(object)
    var bounds: [Int?] = [nil, nil, nil]
    for (place, part) in parts.enumerated() {
      guard let part else { continue }
      let bound = try evaluate(part)
      if case .none = bound { continue }
      guard let number = bound.integerValue else {
        throw mismatch("\(bound.kindName) as the bound of a slice", "a whole number")
      }
      bounds[place] = Int(clamping: number)
    }
    self.line = line
    guard bounds[2] != 0 else { throw mismatch("a slice with step 0", "another step") }
    switch value {
    case .string(let text): return .string(try slice(text, bounds))
    case .safe(let text): return .safe(try slice(text, bounds))
    case .list(let list):
      switch list.kind {
      case .list, .tuple, .range:
        let places = Self.places(bounds, count: list.elements.count)
        try charge(32 * places.count)
        return .list(
          TemplateList(places.map { list.elements[$0] }, list.kind, depth: list.depth))
      default: break
      }
    default: break
    }
    throw mismatch("a slice of \(value.kindName)", "a string or a list")
  }

  private mutating func slice(_ text: String, _ bounds: [Int?]) throws(InputError) -> String {
    try charge(4 * text.utf8.count)
    let scalars = Array(text.unicodeScalars)
    var sliced = String.UnicodeScalarView()
    for place in Self.places(bounds, count: scalars.count) { sliced.append(scalars[place]) }
    return String(sliced)
  }

  /// The places of a slice, as Python counts them.
  private static func places(_ bounds: [Int?], count: Int) -> [Int] {
    let step = max(bounds[2] ?? 1, -Int.max)
    func bound(_ value: Int?, _ standard: Int) -> Int {
      guard let value else { return standard }
      let place = value < 0 ? value + count : value
      return step > 0 ? min(max(place, 0), count) : min(max(place, -1), count - 1)
    }
    let start = bound(bounds[0], step > 0 ? 0 : count - 1)
    let end = bound(bounds[1], step > 0 ? count : -1)
    // A step beyond the end takes one element; a smaller one cannot overflow.
    let most = count + 1
    return Array(stride(from: start, to: end, by: min(max(step, -most), most)))
  }

  /// The elements that a loop goes through.
  mutating func elements(of value: TemplateValue) throws(InputError) -> [TemplateValue] {
    switch value {
    case .undefined: return []
    case .list(let list):
      guard case .generator(let number) = list.kind else { return list.elements }
      let taken = generators[number]
      generators[number] = list.elements.count
      if taken == 0 { return list.elements }
      try charge(32 * (list.elements.count - taken))
      return Array(list.elements[taken...])
    case .map(let map):
      try charge(32 * map.members.count)
      return map.members.map { .string($0.key) }
    case .string(let text), .safe(let text):
      try charge(32 * text.utf8.count)
      return text.unicodeScalars.map { .string(String($0)) }
    default: throw mismatch("\(value.kindName) to go through", "a list, a map or a string")
    }
  }
}
