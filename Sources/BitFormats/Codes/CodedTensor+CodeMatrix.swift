import BitCore

extension CodedTensor {
  /// The whole tensor for the kernels, with the codes and scales as they are stored.
  ///
  /// Its scales are `.groups` where that changes nothing: one for the tensor if all scales are
  /// equal, one for each row if those within each row are. A block of zeros has no say: 0 is 0 at
  /// any scale. Otherwise, or if a scale is negative, they are `.blocks`, as long as in the file.
  /// A block with scale 0 keeps its codes.
  ///
  /// - Parameter format: how to pack the codes; nil for the alphabet's default.
  /// - Throws: ``InputError`` as ``rows(_:)`` does, and of kind `.unsupported` for blocks that are
  ///   not of 64, 128 or 256 columns, unless their scales are equal.
  public func packedMatrix(format: PackedFormat? = nil) throws(InputError) -> CodeMatrix {
    let (codes, scales) = try rows(0..<rows)
    do {
      return try CodeMatrix(
        codes: codes, rows: rows, columns: columns, alphabet: alphabet,
        scales: matrixScales(codes, scales), format: format)
    } catch {
      throw InputError(
        error.kind, source: "\(source), \(error.source)", found: error.found,
        expected: error.expected)
    }
  }

  private func matrixScales(_ codes: [Int8], _ scales: [Float]) -> WeightScales {
    guard scaleKind != .tensor, !scales.isEmpty else { return .groups(scales) }
    let perRow = scalesPerRow
    let length = if case .block(let columns) = scaleKind { columns } else { max(1, columns) }
    func isZero(row: Int, block: Int) -> Bool {
      let end = min(columns, (block + 1) * length)
      return codes[row * columns + block * length..<row * columns + end].allSatisfy { $0 == 0 }
    }
    var rowScales: [Float] = []
    // The scale of the rows that have one, until two differ.
    var common: Float?
    var isCommon = true
    for row in 0..<rows {
      var own: Float?
      for block in 0..<perRow {
        let scale = scales[row * perRow + block]
        if scale == own || isZero(row: row, block: block) { continue }
        guard own == nil, scale >= 0 else {
          // Only blocks can differ or be negative.
          return .blocks(columns: length, scales)
        }
        own = scale
      }
      if let own {
        isCommon = isCommon && (common == nil || common == own)
        common = common ?? own
      }
      rowScales.append(own ?? max(0, scales[row * perRow]))
    }
    return .groups(isCommon ? [common ?? rowScales[0]] : rowScales)
  }
}
