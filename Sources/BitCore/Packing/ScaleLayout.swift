/// Where the scale of each weight is in the list of a matrix's scales.
///
/// Scales are listed by rows, and within a row by columns: one for the tensor, one per group of
/// rows, one per row, or `[rows, blocks]` row-major.
public struct ScaleLayout: Sendable, Hashable {
  /// Which weights share a scale.
  public let kind: ScaleKind
  /// Rows of the matrix, its output features.
  public let rows: Int
  /// Columns of the matrix, its input features.
  public let columns: Int
  /// The length of a run of columns within a row that share a scale; at least 1.
  public let runLength: Int
  /// The number of scales within a row.
  public let scalesPerRow: Int
  /// The number of consecutive rows that share their scales; at least 1.
  public let rowsPerScale: Int

  /// The layout of the scales of a matrix `[rows, columns]`.
  public init(_ kind: ScaleKind, rows: Int, columns: Int) {
    (self.kind, self.rows, self.columns) = (kind, rows, columns)
    if case .block(let length) = kind {
      precondition(length > 0, "blocks of \(length) columns")
      runLength = length
      scalesPerRow = max(1, (columns + length - 1) / length)
    } else {
      (runLength, scalesPerRow) = (max(1, columns), 1)
    }
    rowsPerScale =
      switch kind {
      case .tensor: max(1, rows)
      case .groups(let groups): max(1, rows / max(1, groups))
      case .row, .block: 1
      }
  }

  /// The number of scales of the whole matrix.
  public var count: Int {
    switch kind {
    case .tensor: 1
    case .groups(let groups): groups
    case .row, .block: rows * scalesPerRow
    }
  }

  /// The index of the scale of a weight.
  @inlinable
  public func index(row: Int, column: Int) -> Int {
    row / rowsPerScale * scalesPerRow + column / runLength
  }

  /// The indices of the scales that some rows need. The scale of a tensor comes with any rows, even
  /// with none.
  public func indices(rows: Range<Int>) -> Range<Int> {
    if kind == .tensor { return 0..<1 }
    let end = (rows.upperBound + rowsPerScale - 1) / rowsPerScale
    let first = min(rows.lowerBound / rowsPerScale, end)
    return first * scalesPerRow..<end * scalesPerRow
  }

  /// The runs of columns that share a scale within a row, in order.
  public var runs: some Sequence<Range<Int>> {
    stride(from: 0, to: columns, by: runLength).lazy.map { [columns, runLength] first in
      first..<min(columns, first + runLength)
    }
  }

  /// The columns of one of the `scalesPerRow` scales of a row.
  func run(_ index: Int) -> Range<Int> {
    index * runLength..<min(columns, (index + 1) * runLength)
  }
}
