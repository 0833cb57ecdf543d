/// Which logits a ``TokenSequence`` shall give.
package struct LogitRequest: Sendable, Hashable {
  /// For which of the evaluated tokens to give the logits of the token that follows.
  package enum Positions: Sendable, Hashable {
    /// For none: the tokens only enter the cache.
    case none
    /// For the last.
    case last
    /// For each.
    case all
  }

  /// Which of a position's logits to give.
  package enum Selection: Sendable, Hashable {
    /// The whole vocabulary's.
    case all
    /// The `count` largest, and those of `ids`, which are in ascending order. Of equal logits those
    /// with lower ids count as larger; NaN counts as larger than all numbers, so that it is always
    /// seen. `count` may exceed the vocabulary.
    case candidates(count: Int, ids: [Int32])
  }

  /// For which tokens.
  package var positions: Positions
  /// Which logits.
  package var selection: Selection

  /// A request for logits.
  package init(_ positions: Positions, _ selection: Selection = .all) {
    self.positions = positions
    self.selection = selection
  }
}
