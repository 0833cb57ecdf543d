/// What is put around the ids of a text.
package enum PostProcessorStep: Sendable, Equatable {
  /// Changes offsets only, which are not kept here.
  case byteLevel(PreTokenizerStep.ByteLevel)
  /// Puts tokens around the text.
  case template(PostProcessorTemplate)
}

/// Tokens around one text or two.
package struct PostProcessorTemplate: Sendable, Equatable {
  /// A part of a template.
  package enum Part: Sendable, Equatable {
    /// The tokens of a name, which ``tokens`` has.
    case special(name: String, type: Int64)
    /// The text "A" or "B".
    case text(name: String, type: Int64)
  }

  /// The ids of a name.
  package struct Special: Sendable, Equatable {
    /// The name.
    package var name: String
    /// Its ids.
    package var ids: [Int32]
    /// The texts of the ids.
    package var texts: [String]
  }

  /// What is made of one text.
  package var single: [Part]
  /// What is made of two texts; kept for writing.
  package var pair: [Part]
  /// The ids of the names.
  package var tokens: [Special]

  func ids(of part: Part) -> [Int32] {
    guard case .special(let name, _) = part else { return [] }
    return tokens.first { $0.name.utf8.elementsEqual(name.utf8) }?.ids ?? []
  }

  /// The ids before and after one text.
  var around: (before: [Int32], after: [Int32]) {
    let place = single.firstIndex { if case .text = $0 { true } else { false } } ?? single.count
    return (
      single[..<place].flatMap(ids(of:)), single[place...].dropFirst().flatMap(ids(of:))
    )
  }
}
