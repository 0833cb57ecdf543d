import ArgumentParser

/// A regular expression that is looked for in the names of tensors.
struct NamePattern: ExpressibleByArgument {
  private let expression: Regex<AnyRegexOutput>

  init?(argument: String) {
    guard let expression = try? Regex(argument) else { return nil }
    self.expression = expression
  }

  /// Whether the expression matches a part of the name.
  func matches(_ name: String) -> Bool { name.contains(expression) }
}
