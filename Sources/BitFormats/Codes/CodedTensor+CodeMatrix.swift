import BitCore

extension CodedTensor {
  /// The whole tensor for the kernels, with the codes and scales as they are stored.
  ///
  /// Scales of rows and blocks become `.groups` where that changes nothing: one for the tensor if
  /// all scales are equal, one per row if those within each row are. A block of zeros is ignored:
  /// 0 is 0 at any scale. Otherwise, or if a scale is negative, they are `.blocks`, as long as in
  /// the file. A block with scale 0 keeps its codes.
  ///
  /// - Parameter format: how to pack the codes; nil for the alphabet's default.
  /// - Throws: `InputError` as ``rows(_:)`` does, and of kind `.unsupported` for blocks that are
  ///   not of 64, 128 or 256 columns, unless their scales are equal.
  public func packedMatrix(format: PackedFormat? = nil) throws(InputError) -> CodeMatrix {
    let all = try rows(0..<rows)
    do {
      return try CodeMatrix(
        codes: all.codes, rows: rows, columns: columns, alphabet: alphabet,
        scales: Self.matrixScales(all), format: format)
    } catch {
      throw error.inside(source)
    }
  }

  private static func matrixScales(_ all: CodedRows) -> WeightScales {
    let layout = all.layout
    switch layout.kind {
    case .tensor, .groups: return .groups(all.scales)
    case .row, .block: if all.scales.isEmpty { return .groups([]) }
    }
    // The scale of the rows that have one, and of each row.
    var common: Float?
    var own: [Float?] = Array(repeating: nil, count: layout.rows)
    var (isCommon, isByRow) = (true, true)
    all.forEachRun { run in
      guard isByRow, run.scale != own[run.row], all.nonzeroCount(run.codes) > 0 else { return }
      // Only blocks can differ within a row or be negative.
      guard own[run.row] == nil, run.scale >= 0 else { return isByRow = false }
      own[run.row] = run.scale
      isCommon = isCommon && (common == nil || common == run.scale)
      common = common ?? run.scale
    }
    guard isByRow else { return .blocks(columns: layout.runLength, all.scales) }
    let rowScales = own.indices.map { row in
      own[row] ?? max(0, all.scales[layout.index(row: row, column: 0)])
    }
    return .groups(isCommon ? [common ?? rowScales[0]] : rowScales)
  }
}
