/// A token that is found in the text itself, before anything is split or merged.
package struct AddedToken: Sendable, Equatable {
  /// Its id.
  package var id: Int32
  /// Its text.
  package var content: String
  /// Whether it stands for something other than text, such as the end of a turn.
  package var isSpecial: Bool
  /// Whether white space before it belongs to it.
  package var stripsLeft = false
  /// Whether white space after it belongs to it.
  package var stripsRight = false
  /// Whether it counts only where no letter, digit or underscore touches it.
  package var isSingleWord = false
  /// Whether it is looked for in the normalized text.
  package var isNormalized = false

  /// A token that is looked for in the text as it is.
  package init(id: Int32, content: String, isSpecial: Bool) {
    (self.id, self.content, self.isSpecial) = (id, content, isSpecial)
  }
}
