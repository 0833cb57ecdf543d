import BitCore

/// Scales in the numbers that a target has for them.
extension CodedTensor {
  /// Calls `body` with all rows, some at a time.
  package func forEachPiece(
    _ body: (_ rows: Range<Int>, _ read: Rows) throws(InputError) -> Void
  ) throws(InputError) {
    for first in stride(from: 0, to: rows, by: pieceRows) {
      let range = first..<min(rows, first + pieceRows)
      try body(range, rows(range))
    }
  }

  /// The columns that share a scale in a row.
  private var scaleColumns: Int {
    if case .block(let length) = scaleKind { length } else { max(1, columns) }
  }

  /// The tensor with one scale.
  ///
  /// The scale of a block of zeros has no meaning and so fits any.
  ///
  /// - Parameters:
  ///   - merging: whether scales that differ are merged by least squares: to the mean by
  ///   codes that are not 0.
  ///   - expected: what to say of scales that differ.
  /// - Throws: ``InputError`` of kind `.mismatch` that names the tensor if they differ.
  package func withOneScale(
    merging: Bool, expected: String = "one scale for the tensor"
  ) throws(InputError) -> (scale: Float, tensor: CodedTensor) {
    let scale = try oneScale(merging: merging, expected)
    let tensor = CodedTensor(
      source: source, rows: rows, columns: columns, alphabet: alphabet, scaleKind: .tensor
    ) { (range) throws(InputError) in (try rows(range).codes, [scale]) }
    return (scale, tensor)
  }

  private func oneScale(merging: Bool, _ expected: String) throws(InputError) -> Float {
    guard rows > 0, columns > 0 else { return 1 }
    if scaleKind == .tensor {
      let scale = try rows(0..<1).scales[0]
      if scale != 0 { return scale }
    }
    if !merging, let scale = try equalScale() { return scale }
    let length = scaleColumns
    let perRow = scaleKind == .tensor ? 0 : scalesPerRow
    var common: Float?
    var (sum, count) = (0.0, 0)
    try forEachPiece { (range, read) throws(InputError) in
      for row in 0..<range.count {
        for column in stride(from: 0, to: columns, by: length) {
          let start = row * columns + column
          let scale = read.scales[row * perRow + column / length]
          if scale == common, !merging { continue }
          let codes = read.codes[start..<row * columns + min(columns, column + length)]
          let used = codes.reduce(0) { $0 + ($1 == 0 ? 0 : 1) }
          if used == 0 { continue }
          if let common, !merging {
            throw InputError(
              .mismatch, source: source,
              found: "the scales \(common) and \(scale) by row \(range.lowerBound + row), "
                + "column \(column)",
              expected: expected)
          }
          common = common ?? scale
          sum += Double(scale) * Double(used)
          count += used
        }
      }
    }
    // All zeros are the same at any scale, and 1 can be stored anywhere.
    guard let common else { return 1 }
    return merging ? Float(sum / Double(count)) : common
  }

  /// The scale of all blocks, if a look at the scales alone can tell.
  private func equalScale() throws(InputError) -> Float? {
    guard let readScales, let scale = try readScales(0..<1).first, scale > 0, scale.isFinite else {
      return nil
    }
    for first in stride(from: 0, to: rows, by: pieceRows) {
      let scales = try readScales(first..<min(rows, first + pieceRows))
      guard scales.allSatisfy({ $0 == scale }) else { return nil }
    }
    return scale
  }

  /// The tensor with scales as a type of GGUF has them: merged by least squares within its blocks
  /// and rounded to half precision.
  package func withScales(of type: GGUFTensorType) throws(InputError) -> CodedTensor {
    if type == .i2_s { return try withOneScale(merging: true).tensor }
    guard let block = type.blockLength, columns.isMultiple(of: block) else { return self }
    let length = scaleColumns
    return CodedTensor(
      source: source, rows: rows, columns: columns, alphabet: alphabet,
      scaleKind: .block(columns: block)
    ) { (range) throws(InputError) in
      let read = try rows(range)
      let perRow = scaleKind == .tensor ? 0 : scalesPerRow
      var scales: [Float] = []
      scales.reserveCapacity(range.count * columns / block)
      for row in 0..<range.count {
        for first in stride(from: 0, to: columns, by: block) {
          var (sum, count) = (0.0, 0)
          var column = first
          while column < first + block {
            let end = min(first + block, (column / length + 1) * length)
            let codes = read.codes[row * columns + column..<row * columns + end]
            let used = codes.reduce(0) { $0 + ($1 == 0 ? 0 : 1) }
            sum += Double(read.scales[row * perRow + column / length]) * Double(used)
            count += used
            column = end
          }
          let scale =
            count > 0 ? Float(sum / Double(count)) : read.scales[row * perRow + first / length]
          scales.append(HalfPrecision.float(f16: HalfPrecision.f16(scale)))
        }
      }
      return (read.codes, scales)
    }
  }

  /// Where the same codes have other values because their scales differ; a 0 is 0 at any scale.
  package static func differentScales(
    _ a: Rows, _ aKind: ScaleKind, _ b: [Float], _ bKind: ScaleKind, columns: Int
  ) -> (row: Int, column: Int, found: Float, expected: Float)? {
    if aKind == .tensor, bKind == .tensor, a.scales == b { return nil }
    // Columns with one scale, and scales in a row, of which a tensor's is all rows'.
    func layout(_ kind: ScaleKind) -> (length: Int, perRow: Int) {
      switch kind {
      case .tensor: (columns, 0)
      case .row: (columns, 1)
      case .block(let length): (length, (columns + length - 1) / length)
      }
    }
    let (first, second) = (layout(aKind), layout(bKind))
    for row in 0..<a.codes.count / max(1, columns) {
      var column = 0
      while column < columns {
        let end = min(
          columns, (column / first.length + 1) * first.length,
          (column / second.length + 1) * second.length)
        let expected = a.scales[row * first.perRow + column / first.length]
        let found = b[row * second.perRow + column / second.length]
        if expected != found,
          let place = a.codes[row * columns + column..<row * columns + end]
            .firstIndex(where: { $0 != 0 })
        {
          return (row, place - row * columns, found, expected)
        }
        column = end
      }
    }
    return nil
  }
}
