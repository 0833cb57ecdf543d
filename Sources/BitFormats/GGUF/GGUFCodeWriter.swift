import BitCore

/// Turns codes and scales into the bytes of a type of GGUF without changing one of either.
///
/// The scale of a block of zeros has no meaning: where a type has fewer scales than the tensor, it
/// fits any. Everything else that the type cannot hold is an error.
package struct GGUFCodeWriter {
  /// The codes, with one scale if the type has one.
  package let tensor: CodedTensor
  private let type: GGUFTensorType
  private let format: GGUFCodeFormat

  /// Reads the whole tensor if the type has one scale and the tensor more.
  ///
  /// - Throws: ``InputError`` of kind `.mismatch` for a type that is not written from codes, rows
  ///   that are no whole blocks, or scales that differ where the type has one.
  package init(_ tensor: CodedTensor, _ type: GGUFTensorType, i2sLayout: I2SLayout)
    throws(InputError)
  {
    guard let format = GGUFCodeFormat(type, i2sLayout: i2sLayout), format.isWritten else {
      throw InputError(
        .mismatch, source: tensor.source, found: "codes to be written as \(type)",
        expected: "TQ1_0, TQ2_0, Q1_0, Q2_0, PQ2_0 or I2_S")
    }
    guard tensor.columns.isMultiple(of: format.blockLength) else {
      throw InputError(
        .mismatch, source: tensor.source,
        found: "rows of \(tensor.columns) codes to be written as \(type)",
        expected: "a multiple of \(format.blockLength)")
    }
    (self.type, self.format) = (type, format)
    let hasOneScale = format.scalePlace != .tensor || tensor.scaleKind == .tensor
    self.tensor =
      hasOneScale
      ? tensor
      : try tensor.withOneScale(
        merging: false, expected: "one for the tensor, all that \(type) has"
      ).tensor
  }

  /// The bytes of some rows.
  package func bytes(rows: Range<Int>) throws(InputError) -> [UInt8] {
    let read = try tensor.rows(rows)
    if format.alphabet == .sign, let zero = read.codes.firstIndex(of: 0) {
      throw InputError(
        .mismatch, source: tensor.source,
        found: "the code 0 in row \(rows.lowerBound + zero / tensor.columns), "
          + "column \(zero % tensor.columns)",
        expected: "-1 or +1, all that \(type) has")
    }
    let blocks = tensor.columns / format.blockLength
    let codes = format.codeBytes
    let blockBytes = format.scalePlace == .tensor ? codes : type.blockBytes ?? 0
    // Where in its block the codes of a block are, and its scale.
    let (codePlace, scalePlace) = format.scalePlace == .blockStart ? (2, 0) : (0, codes)
    var bytes = [UInt8](repeating: 0, count: rows.count * blocks * blockBytes)
    if format.scalePlace != .tensor {
      for number in 0..<rows.count * blocks {
        let (row, block) = (number / blocks, number % blocks)
        let scale = try scale(
          read, row: row, column: block * format.blockLength, firstRow: rows.lowerBound)
        try store(
          scale, at: number * blockBytes + scalePlace, in: &bytes, row: rows.lowerBound + row,
          block: block)
      }
    }
    read.codes.withUnsafeBufferPointer { source in
      bytes.withUnsafeMutableBufferPointer { bytes in
        guard let source = source.baseAddress, let target = bytes.baseAddress else { return }
        if format.scalePlace == .tensor {
          return format.encode(source, blocks: rows.count * blocks, to: target)
        }
        for number in 0..<rows.count * blocks {
          format.encode(
            source + number * format.blockLength, to: target + number * blockBytes + codePlace)
        }
      }
    }
    return bytes
  }

  /// What follows the last row: the scale of a tensor that has one, and zeros.
  package func trailer() throws(InputError) -> [UInt8] {
    guard format.scalePlace == .tensor else { return [] }
    let scale = tensor.rows > 0 ? try tensor.rows(0..<1).scales[0] : 0
    return withUnsafeBytes(of: scale.bitPattern.littleEndian) { Array($0) }
      + [UInt8](repeating: 0, count: 28)
  }

  /// The scale that all codes of a block have which are not 0.
  private func scale(
    _ read: CodedTensor.Rows, row: Int, column: Int, firstRow: Int
  ) throws(InputError) -> Float {
    if tensor.scaleKind == .tensor { return read.scales[0] }
    let end = column + format.blockLength
    let perRow = tensor.scalesPerRow
    let length = if case .block(let columns) = tensor.scaleKind { columns } else { tensor.columns }
    var own: Float?
    var start = column
    while start < end {
      let stop = min(end, (start / length + 1) * length)
      let scale = read.scales[row * perRow + start / length]
      let codes = read.codes[row * tensor.columns + start..<row * tensor.columns + stop]
      if codes.contains(where: { $0 != 0 }) {
        if let own, own.bitPattern != scale.bitPattern {
          throw InputError(
            .mismatch, source: tensor.source,
            found: "the scales \(own) and \(scale) by row \(firstRow + row), column \(start)",
            expected: "one for each \(format.blockLength) columns, as \(type) has")
        }
        own = scale
      }
      start = stop
    }
    return own ?? read.scales[row * perRow + column / length]
  }

  private func store(
    _ scale: Float, at place: Int, in bytes: inout [UInt8], row: Int, block: Int
  ) throws(InputError) {
    let half = HalfPrecision.f16(scale)
    guard HalfPrecision.float(f16: half).bitPattern == scale.bitPattern else {
      throw InputError(
        .mismatch, source: tensor.source,
        found: "the scale \(scale) of row \(row), block \(block)",
        expected: "one that a half holds exactly, as \(type) stores it")
    }
    bytes[place] = UInt8(truncatingIfNeeded: half)
    bytes[place + 1] = UInt8(truncatingIfNeeded: half >> 8)
  }
}

extension CodedTensor {
  /// The bytes of the tensor as TQ1_0, TQ2_0, Q1_0, Q2_0, PQ2_0 or I2_S, with the same codes and
  /// scales. What a type has no place for:
  ///
  /// - rows that are no multiple of its block: 256 in TQ1_0 and TQ2_0, 128 in Q1_0, PQ2_0 and I2_S
  ///   (64 in the ARM layout), 64 in Q2_0;
  /// - scales that no half holds exactly, in all but I2_S;
  /// - scales that differ within a block of the type, or within the tensor in I2_S; a block of
  ///   zeros fits any;
  /// - zeros, in Q1_0.
  ///
  /// - Throws: ``InputError`` of kind `.mismatch` that names the tensor and what does not fit, and
  ///   as ``rows(_:)`` does.
  public func ggufBytes(
    _ type: GGUFTensorType, i2sLayout: I2SLayout = .x86
  ) throws(InputError) -> [UInt8] {
    let writer = try GGUFCodeWriter(self, type, i2sLayout: i2sLayout)
    return try writer.bytes(rows: 0..<rows) + writer.trailer()
  }
}
