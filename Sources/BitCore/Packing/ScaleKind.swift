/// Which weights of a matrix share a scale.
public enum ScaleKind: Sendable, Hashable {
  /// All weights of the matrix.
  case tensor
  /// The weights of each of so many equal groups of rows; the number divides the rows.
  case groups(Int)
  /// The weights of each row.
  case row
  /// Each run of `columns` weights along a row; the last run of a row may be shorter.
  case block(columns: Int)
}
