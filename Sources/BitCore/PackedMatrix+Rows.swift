extension PackedMatrix {
  /// The bytes of a row in the order of ``packedRows``.
  public static func rowBytes(columns: Int, alphabet: WeightQuantizer) -> Int {
    let codesInByte = alphabet.defaultFormat.codesPerByte
    return (columns + codesInByte - 1) / codesInByte
  }

  /// The codes row by row, the same for every format: 2 bits each for ternary codes (code + 1), 1 bit
  /// for sign codes (1 for +1), first column in the lowest bits, each row on its own bytes, unused
  /// bits zero.
  public var packedRows: [UInt8] {
    let rowBytes = Self.rowBytes(columns: columns, alphabet: alphabet)
    let perByte = alphabet.defaultFormat.codesPerByte
    let bits = 8 / perByte
    var bytes = [UInt8](repeating: 0, count: rows * rowBytes)
    for (index, code) in codes.enumerated() {
      let (row, column) = (index / columns, index % columns)
      let stored = alphabet == .sign ? UInt8((code + 1) / 2) : UInt8(code + 1)
      bytes[row * rowBytes + column / perByte] |= stored << UInt8(column % perByte * bits)
    }
    return bytes
  }

  /// A matrix from the bytes of ``packedRows``.
  ///
  /// - Throws: ``InputError`` for a number of bytes that does not fit, a ternary code 3, or unused
  ///   bits that are not zero; its source is `source`.
  public init(
    packedRows bytes: [UInt8], rows: Int, columns: Int, alphabet: WeightQuantizer,
    scales: MatrixScales, format: PackedFormat? = nil, source: String
  ) throws(InputError) {
    let rowBytes = Self.rowBytes(columns: columns, alphabet: alphabet)
    guard rows >= 0, columns >= 0, bytes.count == rows * rowBytes else {
      throw InputError(
        .mismatch, source: source, found: "\(bytes.count) bytes of codes",
        expected: "\(rows * rowBytes) for \(rows) x \(columns)")
    }
    let perByte = alphabet.defaultFormat.codesPerByte
    let bits = 8 / perByte
    let mask = UInt8(1 << bits - 1)
    var codes = [Int8](repeating: 0, count: rows * columns)
    for row in 0..<rows {
      for slot in 0..<rowBytes * perByte {
        let stored = bytes[row * rowBytes + slot / perByte] >> UInt8(slot % perByte * bits) & mask
        guard stored < 3, slot < columns || stored == 0 else {
          throw InputError(
            .malformed, source: source, found: "code \(stored) in row \(row), column \(slot)",
            expected: slot < columns ? "codes 0, 1, 2" : "zero bits after \(columns) columns")
        }
        if slot < columns {
          codes[row * columns + slot] =
            alphabet == .sign ? 2 * Int8(stored) - 1 : Int8(stored) - 1
        }
      }
    }
    do {
      try self.init(
        codes: codes, rows: rows, columns: columns, alphabet: alphabet, scales: scales,
        format: format)
    } catch {
      throw InputError(
        error.kind, source: "\(source), \(error.source)", found: error.found,
        expected: error.expected)
    }
  }
}
