/// A way to cut the text into the pieces inside which tokens are merged.
package enum PreTokenizerStep: Sendable, Equatable {
  /// Cuts by one of the known patterns.
  case split(SplitPattern)
  /// Cuts out numbers, or each digit of them.
  case digits(individual: Bool)
  /// Cuts out punctuation: runs of it, or each character.
  case punctuation(contiguous: Bool)
  /// From here on bytes count; perhaps puts a space in front and cuts by GPT-2's pattern.
  case byteLevel(ByteLevel)
  /// Marks spaces, and perhaps cuts in front of the marks.
  case metaspace(Metaspace)

  /// The options of the step and the decoder of this name.
  package struct ByteLevel: Sendable, Equatable {
    /// Whether a piece that does not begin with a space gets one.
    package var addsPrefixSpace = false
    /// Whether offsets leave out spaces; of no meaning here, but kept for writing.
    package var trimsOffsets = true
    /// Whether it cuts by GPT-2's pattern.
    package var usesPattern = true

    /// The options; of no others is anything known.
    package init(addsPrefixSpace: Bool = false, trimsOffsets: Bool = true, usesPattern: Bool = true)
    {
      self.addsPrefixSpace = addsPrefixSpace
      self.trimsOffsets = trimsOffsets
      self.usesPattern = usesPattern
    }
  }

  /// The options of the step and the decoder of this name.
  package struct Metaspace: Sendable, Equatable {
    /// Where a mark is put in front.
    package enum Prefix: String, Sendable {
      /// Before every piece.
      case always
      /// Before the first piece of the text.
      case first
      /// Nowhere.
      case never
    }

    /// The mark in the place of spaces, one character.
    package var mark = "\u{2581}"
    /// Where a mark is put in front.
    package var prefix = Prefix.always
    /// Whether it cuts in front of each mark.
    package var splits = true

    /// The options.
    package init(mark: String = "\u{2581}", prefix: Prefix = .always, splits: Bool = true) {
      (self.mark, self.prefix, self.splits) = (mark, prefix, splits)
    }
  }
}
