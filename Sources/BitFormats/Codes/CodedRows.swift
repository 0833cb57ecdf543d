import BitCore

/// Codes of some rows of a matrix, with the scales that they need.
public struct CodedRows: Sendable {
  /// The rows, counted in the whole matrix.
  public let rows: Range<Int>
  /// The codes, row-major, `[rows.count, columns]`.
  public let codes: [Int8]
  /// The scales at `ScaleLayout.indices(rows:)` of ``rows``.
  public let scales: [Float]
  /// Where the scale of each weight is.
  public let layout: ScaleLayout
  private let firstScale: Int

  init(_ rows: Range<Int>, codes: [Int8], scales: [Float], layout: ScaleLayout) {
    (self.rows, self.codes, self.scales, self.layout) = (rows, codes, scales, layout)
    firstScale = layout.indices(rows: rows).lowerBound
  }

  /// The scale of a weight, by its row in the whole matrix.
  @inline(__always)
  package func scale(row: Int, column: Int) -> Float {
    scales[layout.index(row: row, column: column) - firstScale]
  }

  /// Codes that follow one another in a row and share a scale.
  package struct Run {
    /// The row in the whole matrix.
    package let row: Int
    package let columns: Range<Int>
    /// Where the codes are in ``CodedRows/codes``.
    package let codes: Range<Int>
    package let scale: Float
  }

  /// Calls `body` with every run of codes that share a scale.
  ///
  /// - Parameter length: also ends runs at multiples of this number of columns.
  @inline(__always)
  package func forEachRun<E: Error>(
    endingAt length: Int = .max, _ body: (Run) throws(E) -> Void
  ) throws(E) {
    let (columns, runLength) = (layout.columns, layout.runLength)
    for row in rows {
      let start = (row - rows.lowerBound) * columns
      var first = 0
      while first < columns {
        var end = min(columns, (first / runLength + 1) * runLength)
        if length < columns { end = min(end, (first / length + 1) * length) }
        try body(
          Run(
            row: row, columns: first..<end, codes: start + first..<start + end,
            scale: scale(row: row, column: first)))
        first = end
      }
    }
  }

  /// How many codes of a range of ``codes`` are not 0.
  package func nonzeroCount(_ range: Range<Int>) -> Int {
    codes.withUnsafeBufferPointer { codes in
      range.reduce(0) { $0 + (codes[$1] == 0 ? 0 : 1) }
    }
  }

  /// The values `scale * code`, whatever the codes are.
  package var values: [Float] {
    [Float](unsafeUninitializedCapacity: codes.count) { values, count in
      codes.withUnsafeBufferPointer { codes in
        forEachRun { run in
          for index in run.codes { values[index] = Float(codes[index]) * run.scale }
        }
      }
      count = codes.count
    }
  }

  /// The first weight that has another value in `other`, which has the same codes, because its
  /// scale differs. A code 0 has the same value with any scale.
  package func firstDifference(
    from other: CodedRows
  ) -> (row: Int, column: Int, scale: Float, other: Float)? {
    if layout.kind == .tensor, other.layout.kind == .tensor, scales == other.scales { return nil }
    var difference: (row: Int, column: Int, scale: Float, other: Float)?
    forEachRun(endingAt: other.layout.runLength) { run in
      guard difference == nil else { return }
      let otherScale = other.scale(row: run.row, column: run.columns.lowerBound)
      guard run.scale != otherScale,
        let index = codes[run.codes].firstIndex(where: { $0 != 0 })
      else { return }
      let column = run.columns.lowerBound + index - run.codes.lowerBound
      difference = (run.row, column, run.scale, otherScale)
    }
    return difference
  }
}
