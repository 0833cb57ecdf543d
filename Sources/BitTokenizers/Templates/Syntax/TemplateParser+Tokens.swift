import BitCore

// Taking tokens, and errors.

extension TemplateParser {
  /// The token at the place; after the last one there is always the end.
  var current: TemplateToken { tokens[min(place, tokens.count - 1)] }

  /// Counts a level of nesting; the caller takes it back.
  mutating func enter() throws(InputError) {
    guard depth < limits.nesting else {
      throw unsupported(
        "blocks and expressions inside one another, \(depth + 1) deep",
        "at most \(limits.nesting)")
    }
    depth += 1
  }

  func isSymbol(_ symbol: String) -> Bool { current.kind == .symbol(symbol) }

  /// Whether the token before the current one is a symbol.
  func wasSymbol(_ symbol: String) -> Bool {
    place > 0 && tokens[place - 1].kind == .symbol(symbol)
  }

  mutating func takeSymbol(_ symbol: String) -> Bool {
    guard isSymbol(symbol) else { return false }
    place += 1
    return true
  }

  mutating func takeName(_ name: String) -> Bool {
    guard current.kind == .name(name) else { return false }
    place += 1
    return true
  }

  mutating func expectSymbol(_ symbol: String) throws(InputError) {
    if !takeSymbol(symbol) { throw unexpected("\"\(symbol)\"") }
  }

  mutating func expectName(_ name: String) throws(InputError) {
    if !takeName(name) { throw unexpected("\"\(name)\"") }
  }

  mutating func expect(_ kind: TemplateToken.Kind) throws(InputError) {
    guard current.kind == kind else {
      throw unexpected(TemplateToken(kind: kind, line: 0).words)
    }
    place += 1
  }

  /// The error that the current token is not what is expected.
  func unexpected(_ expected: String) -> InputError { malformed(current.words, expected) }

  func malformed(_ found: String, _ expected: String) -> InputError {
    error(.malformed, found, expected)
  }

  func unsupported(_ found: String, _ expected: String) -> InputError {
    error(.unsupported, found, expected)
  }

  private func error(_ kind: InputError.Kind, _ found: String, _ expected: String) -> InputError {
    InputError(
      kind, source: "\(source), line \(current.line)", found: found, expected: expected)
  }
}
