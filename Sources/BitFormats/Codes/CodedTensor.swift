import BitCore

/// A matrix of ternary or sign codes and its scales, as a file stores them: nothing is rounded,
/// re-scaled or turned into other codes on the way.
///
/// `weight[r, c] = scale * codes[r, c]`. Rows are read when they are asked for, so a matrix that is
/// greater than memory can be streamed.
public struct CodedTensor: Sendable {
  /// What a scale goes for.
  public enum ScaleKind: Sendable, Hashable {
    /// One scale for the tensor.
    case tensor
    /// One for each row.
    case row
    /// One for each block of so many columns along a row; the last block may be shorter.
    case block(columns: Int)
  }

  /// Codes, row-major, and scales: one for the tensor; or one for each row; or, for blocks,
  /// `[rows, blocks]` row-major.
  public typealias Rows = (codes: [Int8], scales: [Float])

  /// The file and the tensor, for errors.
  public let source: String
  /// Output features.
  public let rows: Int
  /// Input features.
  public let columns: Int
  /// Whether the codes are -1, 0, +1 or -1, +1.
  public let alphabet: WeightAlphabet
  /// What a scale goes for.
  public let scaleKind: ScaleKind

  private let read: @Sendable (Range<Int>) throws(InputError) -> Rows
  /// Gives the scales of rows alone, if that is less work; not checked.
  package let readScales: (@Sendable (Range<Int>) throws(InputError) -> [Float])?

  /// A tensor whose rows `read` gives; what it gives is checked by ``rows(_:)``.
  package init(
    source: String, rows: Int, columns: Int, alphabet: WeightAlphabet, scaleKind: ScaleKind,
    readScales: (@Sendable (Range<Int>) throws(InputError) -> [Float])? = nil,
    read: @escaping @Sendable (Range<Int>) throws(InputError) -> Rows
  ) {
    self.readScales = readScales
    (self.source, self.rows, self.columns) = (source, rows, columns)
    (self.alphabet, self.scaleKind, self.read) = (alphabet, scaleKind, read)
  }

  /// A tensor in memory.
  ///
  /// - Throws: ``InputError`` of kind `.mismatch` if the numbers of codes and scales do not fit.
  public init(
    codes: [Int8], rows: Int, columns: Int, alphabet: WeightAlphabet = .ternary,
    scaleKind: ScaleKind, scales: [Float], source: String
  ) throws(InputError) {
    self.init(
      source: source, rows: rows, columns: columns, alphabet: alphabet, scaleKind: scaleKind
    ) { (range) throws(InputError) in
      let perRow = Self.scalesPerRow(scaleKind, columns: columns)
      return (
        Array(codes[range.lowerBound * columns..<range.upperBound * columns]),
        scaleKind == .tensor
          ? scales : Array(scales[range.lowerBound * perRow..<range.upperBound * perRow])
      )
    }
    let count = scaleKind == .tensor ? 1 : rows * scalesPerRow
    guard rows >= 0, columns >= 0, codes.count == rows * columns, scales.count == count else {
      throw InputError(
        .mismatch, source: source, found: "\(codes.count) codes and \(scales.count) scales",
        expected: "\(rows) x \(columns) codes and \(count) scales")
    }
  }

  /// The codes and scales of a packed matrix.
  public init(_ matrix: CodeMatrix, source: String) {
    let (rows, columns, codes) = (matrix.rows, matrix.columns, matrix.codes)
    let kind: ScaleKind
    var scales = matrix.scales.values
    switch matrix.scales {
    case .blocks(let length, _): kind = .block(columns: length)
    case .groups(let values) where values.count == 1: kind = .tensor
    case .groups(let values):
      kind = .row
      let groupRows = rows / values.count
      scales = (0..<rows).map { values[$0 / groupRows] }
    }
    self.init(
      source: source, rows: rows, columns: columns, alphabet: matrix.alphabet, scaleKind: kind
    ) { [scales] range in
      let perRow = Self.scalesPerRow(kind, columns: columns)
      return (
        Array(codes[range.lowerBound * columns..<range.upperBound * columns]),
        kind == .tensor
          ? scales : Array(scales[range.lowerBound * perRow..<range.upperBound * perRow])
      )
    }
  }

  /// Rows that are read at a time: few enough for their codes to stay in a cache.
  package var pieceRows: Int { max(1, (1 << 19) / max(1, columns)) }

  /// The scales that belong to one row: 1 unless they go by blocks.
  public var scalesPerRow: Int { Self.scalesPerRow(scaleKind, columns: columns) }

  private static func scalesPerRow(_ kind: ScaleKind, columns: Int) -> Int {
    if case .block(let length) = kind { max(1, (columns + length - 1) / length) } else { 1 }
  }

  /// The codes and scales of some rows; the scale of a tensor comes with any of them.
  ///
  /// - Parameter range: rows in `0..<rows`.
  /// - Throws: ``InputError`` of kind `.malformed` that names the tensor, the row and the column for
  ///   a code outside the alphabet (such as the 3 of two bits, which means +2), a scale that is not
  ///   finite, or a negative one that goes for more than a block; and what reading throws.
  public func rows(_ range: Range<Int>) throws(InputError) -> Rows {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
    let result = try read(range)
    try check(result, firstRow: range.lowerBound)
    return result
  }

  /// The scales of some rows, as in ``rows(_:)``; not checked where they can be read without codes.
  package func scales(_ range: Range<Int>) throws(InputError) -> [Float] {
    if let readScales { return try readScales(range) }
    return try rows(range).scales
  }

  private func check(_ read: Rows, firstRow: Int) throws(InputError) {
    let isSign = alphabet == .sign
    if Self.hasOtherCodes(read.codes, isSign: isSign),
      let bad = read.codes.firstIndex(where: { $0 < -1 || $0 > 1 || (isSign && $0 == 0) })
    {
      let code = read.codes[bad]
      throw InputError(
        .malformed, source: source,
        found: "the code \(code > 0 ? "+" : "")\(code) in row \(firstRow + bad / columns), "
          + "column \(bad % columns)",
        expected: isSign ? "-1 or +1" : "-1, 0 or +1")
    }
    let isBlock = scaleKind != .tensor && scaleKind != .row
    let bad = read.scales.firstIndex { !$0.isFinite || (!isBlock && $0 < 0) }
    guard let bad else { return }
    let place =
      switch scaleKind {
      case .tensor: ""
      case .row: " of row \(firstRow + bad)"
      case .block: " of row \(firstRow + bad / scalesPerRow), block \(bad % scalesPerRow)"
      }
    throw InputError(
      .malformed, source: source, found: "the scale \(read.scales[bad])\(place)",
      expected: isBlock ? "a finite number" : "a finite number, not negative")
  }

  /// Whether some code is outside the alphabet, found without a branch for each.
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

  /// The values `scale * code` of some rows; see ``rows(_:)`` for what it throws.
  public func values(_ range: Range<Int>) throws(InputError) -> [Float] {
    Self.values(try rows(range), columns: columns, scaleKind: scaleKind)
  }

  /// The products of codes, whatever they are, and scales.
  package static func values(_ read: Rows, columns: Int, scaleKind: ScaleKind) -> [Float] {
    let length = if case .block(let columns) = scaleKind { columns } else { max(1, columns) }
    let perRow = scaleKind == .tensor ? 0 : scalesPerRow(scaleKind, columns: columns)
    let (codes, scales) = read
    return [Float](unsafeUninitializedCapacity: codes.count) { values, count in
      codes.withUnsafeBufferPointer { codes in
        for row in 0..<codes.count / max(1, columns) {
          for first in stride(from: 0, to: columns, by: length) {
            let scale = scales[row * perRow + first / length]
            let start = row * columns + first
            for index in start..<start + min(length, columns - first) {
              values[index] = Float(codes[index]) * scale
            }
          }
        }
      }
      count = codes.count
    }
  }
}
