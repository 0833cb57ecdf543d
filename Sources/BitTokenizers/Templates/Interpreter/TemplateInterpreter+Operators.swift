import BitCore
import BitFiles

// Arithmetic and comparisons, as Python has them.

extension TemplateInterpreter {
  mutating func arithmetic(
    _ first: TemplateExpression, _ rest: [(sign: TemplateOperator, value: TemplateExpression)],
    line: Int
  ) throws(InputError) -> TemplateValue {
    var value = try evaluate(first)
    for (sign, expression) in rest {
      let right = try evaluate(expression)
      self.line = line
      value = try apply(sign, value, right)
    }
    return value
  }

  mutating func signed(
    _ expression: TemplateExpression, isNegative: Bool, line: Int
  ) throws(InputError) -> TemplateValue {
    let value = try evaluate(expression)
    self.line = line
    if let integer = value.integerValue {
      guard isNegative else { return .integer(integer) }
      let (negative, overflow) = Int128(0).subtractingReportingOverflow(integer)
      if overflow { throw tooLarge() }
      return .integer(negative)
    }
    guard case .float(let number) = value else {
      throw mismatch("a sign before \(value.kindName)", "a number")
    }
    return .float(isNegative ? -number : number)
  }

  private func tooLarge() -> InputError {
    unsupported("a whole number of more than 127 bits", "a smaller one")
  }

  /// `a + b` and the like.
  mutating func apply(
    _ sign: TemplateOperator, _ a: TemplateValue, _ b: TemplateValue
  ) throws(InputError) -> TemplateValue {
    if let a = a.integerValue, let b = b.integerValue { return try integers(sign, a, b) }
    if let a = a.doubleValue, let b = b.doubleValue { return .float(try doubles(sign, a, b)) }
    switch (sign, a, b) {
    case (.add, .string(let a), .string(let b)):
      try checkLength(a.utf8.count + b.utf8.count)
      return .string(a + b)
    case (.add, .string, .safe), (.add, .safe, .string), (.add, .safe, .safe):
      let (a, b) = (TemplateText.escaped(a), TemplateText.escaped(b))
      try checkLength(a.utf8.count + b.utf8.count)
      return .safe(a + b)
    case (.add, .list(let a), .list(let b))
    where a.kind == b.kind && (a.kind == .list || a.kind == .tuple):
      try charge(32 * (a.elements.count + b.elements.count))
      return .list(
        TemplateList(a.elements + b.elements, a.kind, depth: max(a.depth, b.depth)))
    case (.multiply, _, _):
      if let count = b.integerValue { return try repeated(a, count) }
      if let count = a.integerValue { return try repeated(b, count) }
    case (.remainder, _, _):
      if let format = a.stringValue {
        var values = [b]
        if case .list(let list) = b, list.kind == .tuple { values = list.elements }
        return .string(try formatted(format, values))
      }
    default: break
    }
    throw mismatch(
      "\(a.kindName) \(sign.rawValue) \(b.kindName)", "values that fit one another")
  }

  private mutating func repeated(
    _ value: TemplateValue, _ count: Int128
  ) throws(InputError) -> TemplateValue {
    let count = Int(clamping: max(count, 0))
    switch value {
    case .string(let text), .safe(let text):
      let (bytes, overflow) = text.utf8.count.multipliedReportingOverflow(by: count)
      try checkLength(overflow ? limits.output + 1 : bytes)
      var copies: [UInt8] = []
      copies.reserveCapacity(bytes)
      if bytes > 0 { copies += text.utf8 }
      // By doubling, since one letter many times would take long.
      while copies.count < bytes { copies += copies.prefix(bytes - copies.count) }
      let repeated = String(decoding: copies, as: UTF8.self)
      if case .safe = value { return .safe(repeated) }
      return .string(repeated)
    case .list(let list) where list.kind == .list || list.kind == .tuple:
      let (bytes, overflow) = (32 * list.elements.count).multipliedReportingOverflow(by: count)
      try charge(overflow ? limits.work : bytes)
      let elements = repeatElement(list.elements, count: bytes == 0 ? 0 : count).joined()
      return .list(TemplateList(Array(elements), list.kind, depth: list.depth))
    default: throw mismatch("\(value.kindName) times a number", "a number, a string or a list")
    }
  }

  private func integers(
    _ sign: TemplateOperator, _ a: Int128, _ b: Int128
  ) throws(InputError) -> TemplateValue {
    let result: (partialValue: Int128, overflow: Bool)
    switch sign {
    case .add: result = a.addingReportingOverflow(b)
    case .subtract: result = a.subtractingReportingOverflow(b)
    case .multiply: result = a.multipliedReportingOverflow(by: b)
    case .power where b >= 0: return .integer(try power(a, b))
    case .divide, .power: return .float(try doubles(sign, Double(a), Double(b)))
    case .divideDown, .remainder:
      guard b != 0 else { throw mismatch("a division by zero", "another divisor") }
      let (quotient, overflow) = a.dividedReportingOverflow(by: b)
      if overflow { throw tooLarge() }
      let remainder = a - quotient * b
      // Python rounds down, so that the remainder has the sign of the divisor.
      let isBelow = remainder != 0 && (remainder < 0) != (b < 0)
      if sign == .remainder { return .integer(isBelow ? remainder + b : remainder) }
      return .integer(isBelow ? quotient - 1 : quotient)
    }
    if result.overflow { throw tooLarge() }
    return .integer(result.partialValue)
  }

  private func power(_ base: Int128, _ exponent: Int128) throws(InputError) -> Int128 {
    if base == 0 || base == 1 { return exponent == 0 ? 1 : base }
    if base == -1 { return exponent % 2 == 0 ? 1 : -1 }
    var result: Int128 = 1
    for _ in 0..<min(exponent, 128) {
      let product = result.multipliedReportingOverflow(by: base)
      if product.overflow { throw tooLarge() }
      result = product.partialValue
    }
    return result
  }

  private func doubles(
    _ sign: TemplateOperator, _ a: Double, _ b: Double
  ) throws(InputError) -> Double {
    switch sign {
    case .add: return a + b
    case .subtract: return a - b
    case .multiply: return a * b
    case .power: throw unsupported("a power of numbers that are not whole", "whole numbers")
    case .divide, .divideDown, .remainder:
      guard b != 0 else { throw mismatch("a division by zero", "another divisor") }
      if sign == .divide { return a / b }
      var remainder = a.truncatingRemainder(dividingBy: b)
      if remainder != 0, (remainder < 0) != (b < 0) { remainder += b }
      if sign == .remainder { return remainder }
      return ((a - remainder) / b).rounded()
    }
  }
}

extension TemplateInterpreter {
  mutating func comparison(
    _ first: TemplateExpression, _ rest: [(sign: TemplateComparison, value: TemplateExpression)],
    line: Int
  ) throws(InputError) -> TemplateValue {
    var left = try evaluate(first)
    for (sign, expression) in rest {
      let right = try evaluate(expression)
      self.line = line
      if try !compare(sign, left, right) { return .bool(false) }
      left = right
    }
    return .bool(true)
  }

  mutating func compare(
    _ sign: TemplateComparison, _ a: TemplateValue, _ b: TemplateValue
  ) throws(InputError) -> Bool {
    switch sign {
    case .equal: try areEqual(a, b)
    case .unequal: try !areEqual(a, b)
    case .isIn: try contains(b, a)
    case .isNotIn: try !contains(b, a)
    case .less: try isLess(a, b, orEqual: false)
    case .lessOrEqual: try isLess(a, b, orEqual: true)
    case .greater: try isLess(b, a, orEqual: false)
    case .greaterOrEqual: try isLess(b, a, orEqual: true)
    }
  }

  /// Whether values are equal, as Python has it: 1 equals 1.0 and true, a list no tuple.
  mutating func areEqual(_ a: TemplateValue, _ b: TemplateValue) throws(InputError) -> Bool {
    try charge(64)
    if let a = a.integerValue, let b = b.integerValue { return a == b }
    if let a = a.doubleValue, let b = b.doubleValue { return a == b }
    if let a = a.stringValue, let b = b.stringValue {
      guard a.utf8.count == b.utf8.count else { return false }
      try charge(a.utf8.count)
      return ByteKey(a) == ByteKey(b)
    }
    switch (a, b) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.list(let a), .list(let b)):
      return a.kind == b.kind ? try areEqual(a.elements, b.elements) : false
    case (.map(let a), .map(let b)):
      guard a.members.count == b.members.count else { return false }
      for member in a.members {
        guard let other = b[member.key], try areEqual(member.value, other) else { return false }
      }
      return true
    case (.namespace(let a), .namespace(let b)), (.loop(let a), .loop(let b)): return a == b
    case (.function(.macro(let a)), .function(.macro(let b))): return a == b
    case (.function(.global(let a)), .function(.global(let b))): return a == b
    default: return false
    }
  }

  mutating func areEqual(
    _ a: [TemplateValue], _ b: [TemplateValue]
  ) throws(InputError) -> Bool {
    guard a.count == b.count else { return false }
    for (a, b) in zip(a, b) where try !areEqual(a, b) { return false }
    return true
  }

  private mutating func isLess(
    _ a: TemplateValue, _ b: TemplateValue, orEqual: Bool
  ) throws(InputError) -> Bool {
    if let a = a.integerValue, let b = b.integerValue { return orEqual ? a <= b : a < b }
    if let a = a.doubleValue, let b = b.doubleValue { return orEqual ? a <= b : a < b }
    if let a = a.stringValue, let b = b.stringValue {
      try charge(min(a.utf8.count, b.utf8.count))
      return orEqual ? !(ByteKey(b) < ByteKey(a)) : ByteKey(a) < ByteKey(b)
    }
    throw mismatch("\(a.kindName) compared with \(b.kindName)", "two numbers or two strings")
  }

  /// Whether `item in container`.
  mutating func contains(
    _ container: TemplateValue, _ item: TemplateValue
  ) throws(InputError) -> Bool {
    switch container {
    case .string(let text), .safe(let text):
      guard let part = item.stringValue else {
        throw mismatch("\(item.kindName) looked for in a string", "a string")
      }
      return try !occurrences(of: part, in: text, atMost: 1).isEmpty
    case .map(let map): return item.stringValue.map { map[$0] != nil } ?? false
    case .list, .undefined:
      for element in try elements(of: container) where try areEqual(element, item) { return true }
      return false
    default: throw mismatch("\(item.kindName) looked for in \(container.kindName)", "a list")
    }
  }
}
