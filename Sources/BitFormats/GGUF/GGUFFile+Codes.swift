import BitCore
import BitFiles

extension GGUFFile {
  /// A tensor of TQ1_0, TQ2_0, Q1_0, Q2_0, PQ2_0, PTQ1_0, I2_S, IQ1_BN or IQ2_BN as codes and
  /// scales, exactly as stored. Q1_0 has sign codes, the others ternary ones.
  ///
  /// A scale applies to the tensor in I2_S, to a row in IQ1_BN and IQ2_BN, and to a block of 64, 128
  /// or 256 columns in the others. The rows are read from the file when they are asked for.
  ///
  /// - Throws: `InputError` that names file and tensor: `.missing` if there is no such tensor,
  ///   `.mismatch` if its type holds no codes, `.unsupported` if the file declares rotated weights
  ///   (`prism.hadamard.*`), `.malformed` for I2_S whose number of elements does not fill blocks.
  ///   Codes and scales are checked when they are read; see ``CodedTensor/rows(_:)``.
  public func codedTensor(_ name: String) throws(InputError) -> CodedTensor {
    let entry = try info(of: name)
    try checkIsNotRotated()
    guard let format = try codeFormat(of: entry) else {
      throw InputError(
        .mismatch, source: source(of: entry), found: entry.type.name,
        expected: "TQ1_0, TQ2_0, Q1_0, Q2_0, PQ2_0, PTQ1_0, I2_S, IQ1_BN or IQ2_BN")
    }
    return CodedTensor(
      source: source(of: entry), alphabet: format.alphabet,
      layout: ScaleLayout(format.scaleKind, rows: entry.rows, columns: entry.columns),
      readScales: { (range) throws(InputError) in try scales(of: entry, format, rows: range) }
    ) { (range) throws(InputError) in try codes(of: entry, format, rows: range) }
  }

  /// The packed matrix of a tensor; see ``codedTensor(_:)`` and ``CodedTensor/packedMatrix(format:)``.
  package func packedMatrix(
    _ name: String, format: PackedFormat? = nil
  ) throws(InputError) -> CodeMatrix {
    try codedTensor(name).packedMatrix(format: format)
  }

  /// Weights that were rotated give fluent nonsense unless the activations are rotated too.
  func checkIsNotRotated() throws(InputError) {
    let prefix = "prism.hadamard."
    guard let entry = metadata.entries.first(where: { $0.key.hasPrefix(prefix) }) else { return }
    throw InputError(
      .unsupported, source: source, found: "the key \(ErrorText.quoted(entry.key))",
      expected: "weights that are not rotated; this reader has no Hadamard transform")
  }

  func codeFormat(of entry: GGUFTensorInfo) throws(InputError) -> GGUFCodeFormat? {
    let format = GGUFCodeFormat(entry.type, i2sLayout: i2sLayout)
    if entry.type == .i2_s, !entry.count.isMultiple(of: i2sLayout.blockLength) {
      throw InputError(
        .malformed, source: source(of: entry), found: "\(entry.count) elements of I2_S",
        expected: "a multiple of \(i2sLayout.blockLength) for the layout \(i2sLayout.rawValue)")
    }
    return format
  }

  /// The codes and scales of rows, not checked: a code may be +2, a scale anything.
  func codes(
    of entry: GGUFTensorInfo, _ format: GGUFCodeFormat, rows: Range<Int>
  ) throws(InputError) -> CodedTensor.Read {
    try withUnsafeBytes(in: entry.byteRange) { bytes in
      format.scalePosition == .tensor
        ? Self.flatCodes(bytes, entry, format, rows: rows)
        : Self.rowCodes(bytes, entry, format, rows: rows)
    }
  }

  /// Blocks that follow one another through the tensor, whatever its rows are.
  private static func flatCodes(
    _ bytes: UnsafeRawBufferPointer, _ entry: GGUFTensorInfo, _ format: GGUFCodeFormat,
    rows: Range<Int>
  ) -> CodedTensor.Read {
    let length = format.blockLength
    let elements = rows.lowerBound * entry.columns..<rows.upperBound * entry.columns
    let blocks = elements.lowerBound / length..<(elements.upperBound + length - 1) / length
    let source = bytes.bindMemory(to: UInt8.self).baseAddress
    var codes = [Int8](unsafeUninitializedCapacity: blocks.count * length) { codes, count in
      if let source, let target = codes.baseAddress {
        format.decode(
          source + blocks.lowerBound * format.codeBytes, blocks: blocks.count, to: target)
      }
      count = blocks.count * length
    }
    let before = elements.lowerBound - blocks.lowerBound * length
    if codes.count != elements.count { codes = Array(codes[before..<before + elements.count]) }
    return (codes, [PlainNumbers.float(bytes, at: entry.count / 4)])
  }

  /// The scales of rows, not checked.
  private func scales(
    of entry: GGUFTensorInfo, _ format: GGUFCodeFormat, rows: Range<Int>
  ) throws(InputError) -> [Float] {
    try withUnsafeBytes(in: entry.byteRange) { bytes in
      format.scalePosition == .tensor
        ? [PlainNumbers.float(bytes, at: entry.count / 4)]
        : Self.scales(bytes, RowLayout(entry, format), format, rows: rows)
    }
  }

  /// Rows of blocks, with a scale in each block or at the start of each row.
  private struct RowLayout {
    let blocks: Int
    let headBytes: Int
    let blockBytes: Int
    var bytes: Int { headBytes + blocks * blockBytes }

    init(_ entry: GGUFTensorInfo, _ format: GGUFCodeFormat) {
      blocks = entry.columns / format.blockLength
      headBytes = entry.type.layout?.rowBytes ?? 0
      blockBytes = entry.type.blockBytes ?? 0
    }

    /// Where a block begins.
    func place(row: Int, block: Int) -> Int { row * bytes + headBytes + block * blockBytes }
  }

  private static func scales(
    _ bytes: UnsafeRawBufferPointer, _ layout: RowLayout, _ format: GGUFCodeFormat,
    rows: Range<Int>
  ) -> [Float] {
    switch format.scalePosition {
    case .rowHalf: return rows.map { PlainNumbers.half(bytes, at: $0 * layout.bytes) }
    case .rowFloat: return rows.map { PlainNumbers.float(bytes, at: $0 * layout.bytes) }
    case .blockStart, .blockEnd, .tensor:
      let offset = format.scalePosition == .blockStart ? 0 : format.codeBytes
      var scales: [Float] = []
      scales.reserveCapacity(rows.count * layout.blocks)
      for row in rows {
        for block in 0..<layout.blocks {
          scales.append(PlainNumbers.half(bytes, at: layout.place(row: row, block: block) + offset))
        }
      }
      return scales
    }
  }

  private static func rowCodes(
    _ bytes: UnsafeRawBufferPointer, _ entry: GGUFTensorInfo, _ format: GGUFCodeFormat,
    rows: Range<Int>
  ) -> CodedTensor.Read {
    let layout = RowLayout(entry, format)
    let offset = format.scalePosition == .blockStart ? 2 : 0
    let source = bytes.bindMemory(to: UInt8.self).baseAddress
    let codes = [Int8](unsafeUninitializedCapacity: rows.count * entry.columns) { codes, count in
      guard let source, var target = codes.baseAddress else { return }
      for row in rows {
        for block in 0..<layout.blocks {
          format.decode(source + layout.place(row: row, block: block) + offset, to: target)
          target += format.blockLength
        }
      }
      count = rows.count * entry.columns
    }
    return (codes, scales(bytes, layout, format, rows: rows))
  }
}
