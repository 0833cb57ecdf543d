import BitCore

extension CodedTensor {
  /// The whole tensor for the kernels, with the codes and scales as they are stored.
  ///
  /// Scales of rows and blocks become `.groups` where that changes nothing: one for the tensor if
  /// all scales are equal, one per row if those within each row are. A block of zeros is ignored:
  /// 0 is 0 at any scale. Otherwise, or if a scale is negative, they are `.blocks`, as long as in
  /// the file. A block with scale 0 keeps its codes.
  ///
  /// Rows are read and packed some at a time, on several threads.
  ///
  /// - Parameter format: how to pack the codes; nil for the alphabet's default.
  /// - Throws: `InputError` as ``rows(_:)`` does, and of kind `.unsupported` for blocks that are
  ///   not of 64, 128 or 256 columns, unless their scales are equal.
  public func packedMatrix(format: PackedFormat? = nil) throws(InputError) -> CodeMatrix {
    let scales = try matrixScales()
    do {
      return try CodeMatrix(
        rows: rows, columns: columns, alphabet: alphabet, scales: scales, format: format
      ) { (range) throws(InputError) in try rows(range).codes }
    } catch {
      // What reading throws names the tensor already.
      throw error.source == "codes" || error.source == "scales" ? error.inside(source) : error
    }
  }

  private func matrixScales() throws(InputError) -> WeightScales {
    let all = try scales(0..<rows)
    switch layout.kind {
    case .tensor, .groups: return .groups(all)
    case .row, .block: if all.isEmpty { return .groups([]) }
    }
    // Only blocks can differ within a row or be negative, and only then do codes count.
    if let first = all.first, first >= 0, all.allSatisfy({ $0 == first }) {
      return .groups([first])
    }
    if layout.kind == .row { return .groups(all) }
    return try rowScales(all).map { .groups($0) } ?? .blocks(columns: layout.runLength, all)
  }

  /// One scale for all rows or one for each, if blocks that are not all zeros agree; else nil.
  private func rowScales(_ all: [Float]) throws(InputError) -> [Float]? {
    var common: Float?
    var isCommon = true
    var own: [Float?] = Array(repeating: nil, count: layout.rows)
    // A few rows show whether blocks differ, as they do in most files with blocks.
    for first in stride(from: 0, to: rows, by: CodeMatrix.stripRows) {
      let read = try rows(first..<min(rows, first + CodeMatrix.stripRows))
      var isByRow = true
      read.forEachRun { run in
        guard isByRow, run.scale != own[run.row], read.nonzeroCount(run.codes) > 0 else { return }
        guard own[run.row] == nil, run.scale >= 0 else { return isByRow = false }
        own[run.row] = run.scale
        isCommon = isCommon && (common == nil || common == run.scale)
        common = common ?? run.scale
      }
      guard isByRow else { return nil }
    }
    let rowScales = own.indices.map { row in
      own[row] ?? max(0, all[layout.index(row: row, column: 0)])
    }
    return isCommon ? [common ?? rowScales[0]] : rowScales
  }
}
