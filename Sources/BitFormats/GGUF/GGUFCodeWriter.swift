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
    if let obstacle = Self.obstacle(tensor, type, i2sLayout) { throw obstacle }
    guard let format = GGUFCodeFormat(type, i2sLayout: i2sLayout) else {
      preconditionFailure("\(type) has codes but no format")
    }
    (self.type, self.format) = (type, format)
    let fits = format.scalePosition != .tensor || tensor.scaleKind == .tensor
    self.tensor =
      fits ? tensor : try tensor.withOneScale(expected: Self.oneScale(type)).tensor
  }

  private static func oneScale(_ type: GGUFTensorType) -> String {
    "one for the tensor, all that \(type) has"
  }

  private static func halfScale(_ type: GGUFTensorType) -> String {
    "one that a half holds exactly, as \(type) stores it"
  }

  private static func blockScale(_ type: GGUFTensorType, _ length: Int) -> String {
    "one per \(length) columns, as \(type) has"
  }

  /// What keeps a type from holding codes of this shape, whatever their scales are; nil if nothing
  /// does.
  package static func obstacle(
    _ tensor: CodedTensor, _ type: GGUFTensorType, _ i2sLayout: I2SLayout = .x86
  ) -> InputError? {
    guard let format = GGUFCodeFormat(type, i2sLayout: i2sLayout), format.isWritten else {
      return InputError(
        .mismatch, source: tensor.source, found: "codes to be written as \(type)",
        expected: "TQ1_0, TQ2_0, Q1_0, Q2_0, PQ2_0 or I2_S")
    }
    if tensor.columns.isMultiple(of: format.blockLength) { return nil }
    return InputError(
      .mismatch, source: tensor.source,
      found: "rows of \(tensor.columns) codes to be written as \(type)",
      expected: "a multiple of \(format.blockLength)")
  }

  /// What keeps a type from holding scales exactly; nil if nothing does.
  package static func obstacle(
    _ tensor: CodedTensor, _ scales: ScaleSummary, _ type: GGUFTensorType
  ) -> InputError? {
    func mismatch(_ found: String, _ expected: String) -> InputError {
      InputError(.mismatch, source: tensor.source, found: found, expected: expected)
    }
    guard let format = GGUFCodeFormat(type, i2sLayout: .x86) else { return nil }
    if format.scalePosition == .tensor {
      return scales.difference.map { mismatch($0.description, oneScale(type)) }
    }
    if let difference = scales.differenceInBlock[format.blockLength] {
      return mismatch(difference.description, blockScale(type, format.blockLength))
    }
    return scales.inexactHalf.map {
      mismatch(
        "the scale \($0.scale) of row \($0.row), block \($0.column / format.blockLength)",
        halfScale(type))
    }
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
    let blockBytes = format.scalePosition == .tensor ? codes : type.blockBytes ?? 0
    // Where in its block the codes of a block are, and its scale.
    let (codeOffset, scaleOffset) = format.scalePosition == .blockStart ? (2, 0) : (0, codes)
    var bytes = [UInt8](repeating: 0, count: rows.count * blocks * blockBytes)
    if format.scalePosition != .tensor {
      for (number, half) in try scales(read).enumerated() {
        let offset = number * blockBytes + scaleOffset
        bytes[offset] = UInt8(truncatingIfNeeded: half)
        bytes[offset + 1] = UInt8(truncatingIfNeeded: half >> 8)
      }
    }
    read.codes.withUnsafeBufferPointer { source in
      bytes.withUnsafeMutableBufferPointer { bytes in
        guard let source = source.baseAddress, let target = bytes.baseAddress else { return }
        if format.scalePosition == .tensor {
          return format.encode(source, blocks: rows.count * blocks, to: target)
        }
        for number in 0..<rows.count * blocks {
          format.encode(
            source + number * format.blockLength, to: target + number * blockBytes + codeOffset)
        }
      }
    }
    return bytes
  }

  /// What follows the last row: the scale of a tensor that has one, and zeros.
  package func trailer() throws(InputError) -> [UInt8] {
    guard format.scalePosition == .tensor else { return [] }
    let scale = tensor.rows > 0 ? try tensor.rows(0..<1).scales[0] : 0
    return withUnsafeBytes(of: scale.bitPattern.littleEndian) { Array($0) }
      + [UInt8](repeating: 0, count: 28)
  }

  /// The scale of each block of the type, as a half: that of its codes that are not 0, or nearly
  /// any if all are.
  private func scales(_ read: CodedRows) throws(InputError) -> [UInt16] {
    let length = format.blockLength
    var halves: [UInt16] = []
    halves.reserveCapacity(read.codes.count / length)
    // The scale of the block so far, if it has a code that is not 0.
    var own: Float?
    try read.forEachRun(endingAt: length) { (run) throws(InputError) in
      let (scale, column) = (run.scale, run.columns.lowerBound)
      let half = HalfPrecision.f16(scale)
      if column.isMultiple(of: length) {
        own = nil
        halves.append(HalfPrecision.float(f16: half).isFinite ? half : 0)
      }
      guard read.codes[run.codes].contains(where: { $0 != 0 }) else { return }
      if let own {
        guard own.bitPattern == scale.bitPattern else {
          throw InputError(
            .mismatch, source: tensor.source,
            found: "the scales \(own) and \(scale) by row \(run.row), column \(column)",
            expected: Self.blockScale(type, length))
        }
        return
      }
      guard HalfPrecision.float(f16: half).bitPattern == scale.bitPattern else {
        throw InputError(
          .mismatch, source: tensor.source,
          found: "the scale \(scale) of row \(run.row), block \(column / length)",
          expected: Self.halfScale(type))
      }
      own = scale
      halves[halves.count - 1] = half
    }
    return halves
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
  /// - Throws: `InputError` of kind `.mismatch` that names the tensor and what does not fit, and
  ///   as ``rows(_:)`` does.
  package func ggufBytes(
    _ type: GGUFTensorType, i2sLayout: I2SLayout = .x86
  ) throws(InputError) -> [UInt8] {
    let writer = try GGUFCodeWriter(self, type, i2sLayout: i2sLayout)
    return try writer.bytes(rows: 0..<rows) + writer.trailer()
  }
}
