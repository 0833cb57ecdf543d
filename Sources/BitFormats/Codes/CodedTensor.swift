import BitCore

/// A matrix of ternary or sign codes and its scales, as a file stores them: nothing is rounded,
/// rescaled or recoded on the way.
///
/// `weight[r, c] = scale * codes[r, c]`. Rows are read when they are asked for, so a matrix that
/// is larger than memory can be streamed.
public struct CodedTensor: Sendable {
  /// What a reader of rows gives: the codes, row-major, and the scales at
  /// ``ScaleLayout/indices(rows:)``.
  package typealias Read = (codes: [Int8], scales: [Float])

  /// The file and the tensor, for errors.
  public let source: String
  /// Whether the codes are -1, 0, +1 or -1, +1.
  public let alphabet: WeightAlphabet
  /// Which weights share a scale, and where it is.
  public let layout: ScaleLayout

  private let read: @Sendable (Range<Int>) throws(InputError) -> Read
  /// Gives the scales of rows alone, if that is less work; not checked.
  private let readScales: (@Sendable (Range<Int>) throws(InputError) -> [Float])?

  /// Output features.
  public var rows: Int { layout.rows }
  /// Input features.
  public var columns: Int { layout.columns }
  /// Which weights share a scale.
  public var scaleKind: ScaleKind { layout.kind }
  /// Whether the scales can be read without the codes.
  package var readsScalesAlone: Bool { readScales != nil }

  /// A tensor whose rows `read` gives; what it gives is checked by ``rows(_:)``.
  package init(
    source: String, alphabet: WeightAlphabet, layout: ScaleLayout,
    readScales: (@Sendable (Range<Int>) throws(InputError) -> [Float])? = nil,
    read: @escaping @Sendable (Range<Int>) throws(InputError) -> Read
  ) {
    (self.source, self.alphabet, self.layout) = (source, alphabet, layout)
    (self.readScales, self.read) = (readScales, read)
  }

  /// A tensor in memory.
  ///
  /// - Parameters:
  ///   - codes: `[rows, columns]`, row-major.
  ///   - rows: the output features.
  ///   - columns: the input features.
  ///   - alphabet: the values that the codes can take.
  ///   - scaleKind: which weights share a scale.
  ///   - scales: in the order of `ScaleLayout`.
  ///   - source: what errors name as their source.
  /// - Throws: `InputError` of kind `.mismatch` if the numbers of codes and scales do not fit.
  public init(
    codes: [Int8], rows: Int, columns: Int, alphabet: WeightAlphabet = .ternary,
    scaleKind: ScaleKind, scales: [Float], source: String
  ) throws(InputError) {
    let layout = ScaleLayout(scaleKind, rows: max(0, rows), columns: max(0, columns))
    guard rows >= 0, columns >= 0, codes.count == rows * columns, scales.count == layout.count
    else {
      throw InputError(
        .mismatch, source: source, found: "\(codes.count) codes and \(scales.count) scales",
        expected: "\(rows) x \(columns) codes and \(layout.count) scales")
    }
    self.init(codes, scales, alphabet, layout, source: source)
  }

  private init(
    _ codes: [Int8], _ scales: [Float], _ alphabet: WeightAlphabet, _ layout: ScaleLayout,
    source: String
  ) {
    let columns = layout.columns
    self.init(source: source, alphabet: alphabet, layout: layout) { rows in
      (
        Array(codes[rows.lowerBound * columns..<rows.upperBound * columns]),
        Array(scales[layout.indices(rows: rows)])
      )
    }
  }

  /// The codes and scales of a packed matrix.
  public init(_ matrix: CodeMatrix, source: String) {
    self.init(
      matrix.codes, matrix.scales.values, matrix.alphabet,
      matrix.scales.layout(rows: matrix.rows, columns: matrix.columns), source: source)
  }

  /// This tensor with the same codes and other scales.
  ///
  /// - Parameters:
  ///   - alone: gives the scales of `layout` for some rows if no codes are needed for them.
  ///   - scales: gives the scales of `layout` for some rows.
  func withScales(
    _ layout: ScaleLayout, alone: (@Sendable (Range<Int>) -> [Float])? = nil,
    _ scales: @escaping @Sendable (CodedRows) -> [Float]
  ) -> CodedTensor {
    CodedTensor(source: source, alphabet: alphabet, layout: layout, readScales: alone) {
      [self] (range) throws(InputError) in
      let rows = try rows(range)
      return (rows.codes, scales(rows))
    }
  }

  /// Rows that are read at a time: few enough for their codes to stay in a cache.
  package var pieceRows: Int { max(1, (1 << 19) / max(1, columns)) }

  /// The codes and scales of some rows.
  ///
  /// - Parameter range: rows in `0..<rows`.
  /// - Throws: `InputError` of kind `.malformed` that names the tensor, the row and the column for
  ///   a code outside the alphabet (such as the 3 of two bits, which means +2), a scale that is not
  ///   finite, or a negative one that applies to more than a block; and what reading throws.
  public func rows(_ range: Range<Int>) throws(InputError) -> CodedRows {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
    let (codes, scales) = try read(range)
    let result = CodedRows(range, codes: codes, scales: scales, layout: layout)
    try check(result)
    return result
  }

  /// The scales of some rows, as in ``rows(_:)``; not checked where they can be read without codes.
  package func scales(_ range: Range<Int>) throws(InputError) -> [Float] {
    if let readScales { return try readScales(range) }
    return try rows(range).scales
  }

  /// The values `scale * code` of some rows; see ``rows(_:)`` for what it throws.
  public func values(_ range: Range<Int>) throws(InputError) -> [Float] {
    try rows(range).values
  }

  /// Calls `body` with all rows, some at a time.
  package func forEachPiece(
    _ body: (CodedRows) throws(InputError) -> Void
  ) throws(InputError) {
    for first in stride(from: 0, to: rows, by: pieceRows) {
      try body(rows(first..<min(rows, first + pieceRows)))
    }
  }

  private func check(_ read: CodedRows) throws(InputError) {
    let isSign = alphabet == .sign
    if Self.hasOtherCodes(read.codes, isSign: isSign),
      let bad = read.codes.firstIndex(where: { $0 < -1 || $0 > 1 || (isSign && $0 == 0) })
    {
      let code = read.codes[bad]
      throw InputError(
        .malformed, source: source,
        found: "the code \(code > 0 ? "+" : "")\(code) in row "
          + "\(read.rows.lowerBound + bad / columns), column \(bad % columns)",
        expected: isSign ? "-1 or +1" : "-1, 0 or +1")
    }
    let isBlock = if case .block = scaleKind { true } else { false }
    guard let bad = read.scales.firstIndex(where: { !$0.isFinite || (!isBlock && $0 < 0) }) else {
      return
    }
    let index = layout.indices(rows: read.rows).lowerBound + bad
    let owner =
      switch scaleKind {
      case .tensor: ""
      case .groups: " of group \(index)"
      case .row: " of row \(index)"
      case .block: " of row \(index / layout.scalesPerRow), block \(index % layout.scalesPerRow)"
      }
    throw InputError(
      .malformed, source: source, found: "the scale \(read.scales[bad])\(owner)",
      expected: isBlock ? "a finite number" : "a finite number, not negative")
  }

  /// Whether some code is outside the alphabet, found without a branch per code.
  private static func hasOtherCodes(_ codes: [Int8], isSign: Bool) -> Bool {
    codes.withUnsafeBufferPointer { codes in
      // Codes plus 1 are 0 or 2, or else 0...2.
      var (bits, largest): (UInt8, UInt8) = (0, 0)
      for code in codes {
        let field = UInt8(bitPattern: code &+ 1)
        bits |= field
        largest = max(largest, field)
      }
      return isSign ? bits & ~2 != 0 : largest > 2
    }
  }
}
