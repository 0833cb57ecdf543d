import CBitKernels

extension CodeMatrix {
  /// The bytes of a row in the order of ``packedRows``.
  public static func rowBytes(columns: Int, alphabet: WeightAlphabet) -> Int {
    let codesInByte = alphabet.defaultFormat.codesPerByte
    return (columns + codesInByte - 1) / codesInByte
  }

  /// The codes row by row, the same for every format: 2 bits each for ternary codes (code + 1), 1 bit
  /// for sign codes (1 for +1), first column in the lowest bits, each row on its own bytes, unused
  /// bits zero.
  public var packedRows: [UInt8] {
    // Strips of the default format hold these bytes in another order.
    guard format == alphabet.defaultFormat else {
      return packed(as: alphabet.defaultFormat).packedRows
    }
    let rowBytes = Self.rowBytes(columns: columns, alphabet: alphabet)
    var bytes = [UInt8](unsafeUninitializedCapacity: rows * rowBytes) { bytes, count in
      if let bytes = bytes.baseAddress {
        ThreadPool.shared.parallelFor(stripCount) {
          for strip in $0 {
            let row = strip * Int(BK_STRIP_ROWS)
            bk_rows_from_strip(
              codeBuffer.pointer + row * rowBytes, min(Int(BK_STRIP_ROWS), rows - row), rowBytes,
              bytes + row * rowBytes)
          }
        }
      }
      count = rows * rowBytes
    }
    withExtendedLifetime(codeBuffer) {}
    // What fills up a step is a code of its own.
    if let mask = Self.lastByteMask(columns: columns, alphabet: alphabet) {
      for row in 0..<rows { bytes[(row + 1) * rowBytes - 1] &= mask }
    }
    return bytes
  }

  /// The bits of a row's last byte that hold codes; nil if all of them do.
  private static func lastByteMask(columns: Int, alphabet: WeightAlphabet) -> UInt8? {
    let perByte = alphabet.defaultFormat.codesPerByte
    let used = columns % perByte
    return used == 0 ? nil : UInt8(1 << (used * 8 / perByte) - 1)
  }

  /// A matrix from the bytes of ``packedRows``.
  ///
  /// - Parameter format: how to hold the codes; nil for the alphabet's default.
  /// - Throws: ``InputError`` for a number of bytes that does not fit, a ternary code 3, or unused
  ///   bits that are not zero; its source is `source`.
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
      ThreadPool.shared.parallelFor(matrix.stripCount) {
        for strip in $0 {
          let row = strip * Int(BK_STRIP_ROWS)
          bk_strip_from_rows(
            bytes + row * rowBytes, min(Int(BK_STRIP_ROWS), rows - row), rowBytes,
            matrix.codeBuffer.pointer + row * rowBytes)
        }
      }
    }
    self = matrix.packed(as: checkedFormat)
  }

  /// Refuses codes that do not exist and set bits where there are no codes.
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
