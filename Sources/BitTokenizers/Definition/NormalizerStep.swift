/// A change of the text before it is split.
package enum NormalizerStep: Sendable, Equatable {
  /// Unicode's canonical composition.
  case nfc
  /// Puts a text before every part that is not empty.
  case prepend(String)
  /// Puts one text in the place of another.
  case replace(String, with: String)
}
