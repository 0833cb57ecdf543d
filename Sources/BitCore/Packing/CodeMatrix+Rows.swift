import CBitKernels

extension CodeMatrix {
  /// The number of bytes of a row in ``packedRows``.
  public static func rowBytes(columns: Int, alphabet: WeightAlphabet) -> Int {
    let codesInByte = alphabet.defaultFormat.codesPerByte
    return (columns + codesInByte - 1) / codesInByte
  }

  /// The codes row by row, in the same layout for every format: 2 bits per ternary code (code + 1)
  /// or 1 bit per sign code (1 for +1), the first column in the lowest bits. Every row begins with a
  /// new byte; unused bits are zero.
  public var packedRows: [UInt8] {
    // Strips of the default format hold these codes in another order.
    guard format == alphabet.defaultFormat else {
      return packed(as: alphabet.defaultFormat).packedRows
    }
    let rowBytes = Self.rowBytes(columns: columns, alphabet: alphabet)
    var bytes = [UInt8](unsafeUninitializedCapacity: rows * rowBytes) { bytes, count in
      if let bytes = bytes.baseAddress {
        forEachStrip { row, count, strip in
          bk_rows_from_strip(
            layout, format.kernelFormat, strip, count, rowBytes, bytes + row * rowBytes)
        }
      }
      count = rows * rowBytes
    }
    // Strips are padded with codes.
    if let mask = Self.lastByteMask(columns: columns, alphabet: alphabet) {
      for row in 0..<rows { bytes[(row + 1) * rowBytes - 1] &= mask }
    }
    return bytes
  }

  /// Calls `body` with the first row, the number of rows and the codes of every strip, in parallel.
  private func forEachStrip(
    _ body: (_ row: Int, _ count: Int, _ strip: UnsafeMutablePointer<UInt8>) -> Void
  ) {
    let stripBytes = stripBytes
    ThreadPool.shared.parallelFor(stripCount) { strips in
      for strip in strips {
        let row = strip * Int(BK_STRIP_ROWS)
        body(row, min(Int(BK_STRIP_ROWS), rows - row), codeBuffer.pointer + strip * stripBytes)
      }
    }
    withExtendedLifetime(codeBuffer) {}
  }

  /// The bits of a row's last byte that hold codes; nil if all of them do.
  private static func lastByteMask(columns: Int, alphabet: WeightAlphabet) -> UInt8? {
    let perByte = alphabet.defaultFormat.codesPerByte
    let used = columns % perByte
    return used == 0 ? nil : UInt8(1 << (used * 8 / perByte) - 1)
  }

  /// A matrix from the bytes of ``packedRows``.
  ///
  /// - Parameters:
  ///   - bytes: the rows of bytes, one after the other.
  ///   - rows: the output features.
  ///   - columns: the input features.
  ///   - alphabet: the values that the codes can take.
  ///   - scales: the factors of the codes.
  ///   - format: how to pack the codes; nil for the alphabet's default.
  ///   - source: what errors name as their source.
  /// - Throws: ``InputError`` for a number of bytes that does not fit, a ternary code 3, or unused
  ///   bits that are not zero.
  public init(
    packedRows bytes: [UInt8], rows: Int, columns: Int, alphabet: WeightAlphabet,
    scales: WeightScales, format: PackedFormat? = nil, source: String
  ) throws(InputError) {
    let rowBytes = Self.rowBytes(columns: max(0, columns), alphabet: alphabet)
    guard rows >= 0, columns >= 0, bytes.count == rows * rowBytes else {
      throw InputError(
        .mismatch, source: source, found: "\(bytes.count) bytes of codes",
        expected: "\(rows * rowBytes) for \(rows) x \(columns)")
    }
    let checkedFormat: PackedFormat
    do {
      try Self.check(columns: columns)
      try scales.check(rows: rows, columns: columns)
      checkedFormat = try alphabet.checkedFormat(format)
    } catch {
      throw error.inside(source)
    }
    try Self.check(bytes, rows: rows, columns: columns, alphabet: alphabet, source: source)
    let matrix = CodeMatrix(
      rows: rows, columns: columns, alphabet: alphabet, format: alphabet.defaultFormat,
      scales: scales)
    bytes.withUnsafeBufferPointer { bytes in
      nonisolated(unsafe) let bytes = bytes
      guard let bytes = bytes.baseAddress else { return }
      matrix.forEachStrip { row, count, strip in
        bk_strip_from_rows(
          matrix.layout, matrix.format.kernelFormat, bytes + row * rowBytes, count, rowBytes, strip)
      }
    }
    self = matrix.packed(as: checkedFormat)
  }

  /// Checks that all codes exist and that unused bits are zero.
  private static func check(
    _ bytes: [UInt8], rows: Int, columns: Int, alphabet: WeightAlphabet, source: String
  ) throws(InputError) {
    let rowBytes = rowBytes(columns: columns, alphabet: alphabet)
    let perByte = alphabet.defaultFormat.codesPerByte
    if alphabet == .ternary {
      let bad = bytes.withUnsafeBufferPointer { bytes in
        bytes.firstIndex { $0 & $0 >> 1 & 0x55 != 0 }
      }
      if let bad {
        let pairs = bytes[bad] & bytes[bad] >> 1 & 0x55
        let slot = pairs.trailingZeroBitCount / 2
        throw InputError(
          .malformed, source: source,
          found: "code 3 in row \(bad / rowBytes), column \(bad % rowBytes * perByte + slot)",
          expected: "codes 0, 1, 2")
      }
    }
    guard let mask = lastByteMask(columns: columns, alphabet: alphabet) else { return }
    for row in 0..<rows {
      let extra = bytes[(row + 1) * rowBytes - 1] & ~mask
      guard extra == 0 else {
        let slot = extra.trailingZeroBitCount * perByte / 8
        throw InputError(
          .malformed, source: source,
          found: "code \(extra >> UInt8(slot * 8 / perByte) & UInt8(1 << (8 / perByte) - 1)) "
            + "in row \(row), column \((rowBytes - 1) * perByte + slot)",
          expected: "zero bits after \(columns) columns")
      }
    }
  }
}
