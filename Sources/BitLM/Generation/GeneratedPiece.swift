/// The next piece of a text that is being generated.
///
/// The texts of all pieces, one after another, are the text of the ``result`` that comes with the
/// last of them.
public struct GeneratedPiece: Sendable, Hashable {
  /// The text that is new with this piece: whole Unicode scalars, none of which can still become
  /// part of a stop string. A Character may go on in the next piece.
  public internal(set) var text = ""
  /// The tokens that were chosen since the piece before.
  public internal(set) var tokens: [SampledToken] = []
  /// In the last piece, the whole.
  public internal(set) var result: GenerationResult?
}
