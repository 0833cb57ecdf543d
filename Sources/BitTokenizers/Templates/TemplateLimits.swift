/// What a template may use up, so that a hostile one ends with an error: it can neither hang, nor
/// fill the memory, nor overflow the stack.
///
/// A template of a real model stays below a hundredth of each.
package struct TemplateLimits: Sendable {
  /// Bytes of the template's source.
  package var source = 1 << 20
  /// Blocks and brackets inside one another in the source. The stack of the parser, and of freeing
  /// the tree, grows with it.
  package var nesting = 48
  /// Bytes of the rendered text, and of each string on the way to it.
  package var output = 1 << 24
  /// Statements and parts of expressions that are evaluated.
  package var steps = 4_000_000
  /// Turns of all loops together.
  package var turns = 1_000_000
  /// Bytes that are copied or searched, in all strings and lists together. Memory grows with it.
  package var work = 1 << 27
  /// Evaluations inside one another, those of macros that call macros included. The stack of the
  /// interpreter grows with it.
  package var depth = 96
  /// Lists and maps inside one another in a value.
  package var valueDepth = 100

  /// The usual limits.
  package init() {}
}
