import CBitKernels

/// The order of packed codes in memory, for codes of an alphabet's default format.
///
/// The order is the same whether codes share scales in blocks of columns or not: such a block begins
/// with a step of its own, and in these formats the length of a block is a multiple of a step's.
package enum CodeLayout: Sendable, CaseIterable {
  /// Row by row; see ``CodeMatrix/packedRows``.
  case rows
  /// In strips of 64 rows for kernels that look up sums in tables.
  case lookup
  /// In strips of 64 rows for kernels with dot products of four bytes.
  case dot

  /// The layout that the kernels of this process read.
  package static func native(
    _ alphabet: WeightAlphabet, kernels: KernelSet = .active
  ) -> CodeLayout {
    CodeLayout(kernels.layout(alphabet.defaultFormat))
  }

  init(_ layout: bk_layout) { self = layout == BK_DOT ? .dot : .lookup }

  /// The kernels' name for it; nil for rows, which they do not read.
  var kernelLayout: bk_layout? {
    switch self {
    case .rows: nil
    case .lookup: BK_LOOKUP
    case .dot: BK_DOT
    }
  }
}

/// The extents of packed codes, on which their places in memory depend.
package struct CodeExtents: Sendable {
  let rows: Int
  let columns: Int
  let alphabet: WeightAlphabet

  /// - Parameters:
  ///   - rows: the output features.
  ///   - columns: the input features.
  package init(rows: Int, columns: Int, alphabet: WeightAlphabet) {
    (self.rows, self.columns, self.alphabet) = (rows, columns, alphabet)
  }

  /// Bytes of a row in the layout ``CodeLayout/rows``.
  var rowBytes: Int { CodeMatrix.rowBytes(columns: columns, alphabet: alphabet) }

  private var kernelFormat: bk_format { alphabet.defaultFormat.kernelFormat }

  private func stripBytes(_ layout: bk_layout) -> Int {
    bk_strip_bytes(layout, columns, kernelFormat, 0)
  }

  /// Bytes of all codes in a layout.
  package func byteCount(_ layout: CodeLayout) -> Int {
    guard let layout = layout.kernelLayout else { return rows * rowBytes }
    return bk_strip_count(rows) * stripBytes(layout)
  }

  /// Copies codes from one layout to another. In rows, `source` must have no invalid codes and
  /// `target` gets zeros in unused bits.
  package func convert(
    _ source: UnsafePointer<UInt8>, from: CodeLayout, to: CodeLayout,
    _ target: UnsafeMutablePointer<UInt8>
  ) {
    guard from != to else { return target.update(from: source, count: byteCount(from)) }
    let (rowBytes, format) = (rowBytes, kernelFormat)
    ThreadPool.shared.parallelFor(
      bk_strip_count(rows), grain: 1 + 65_536 / (Int(BK_STRIP_ROWS) * rowBytes + 1)
    ) { strips in
      for strip in strips {
        let first = strip * Int(BK_STRIP_ROWS)
        let count = min(Int(BK_STRIP_ROWS), rows - first)
        let place = { (layout: bk_layout) in strip * stripBytes(layout) }
        switch (from.kernelLayout, to.kernelLayout) {
        case (nil, let to?):
          bk_strip_from_rows(
            to, format, source + first * rowBytes, count, rowBytes, target + place(to))
        case (let from?, nil):
          writeRows(source + place(from), from, count, target + first * rowBytes)
        case (let from?, let to?):
          withUnsafeTemporaryAllocation(of: UInt8.self, capacity: count * rowBytes) { rows in
            guard let rows = rows.baseAddress else { return }
            writeRows(source + place(from), from, count, rows)
            bk_strip_from_rows(to, format, rows, count, rowBytes, target + place(to))
          }
        case (nil, nil): preconditionFailure("rows are no other layout than rows")
        }
      }
    }
  }

  /// Writes the rows of a strip, with zeros in unused bits.
  private func writeRows(
    _ strip: UnsafePointer<UInt8>, _ layout: bk_layout, _ count: Int,
    _ rows: UnsafeMutablePointer<UInt8>
  ) {
    bk_rows_from_strip(layout, kernelFormat, strip, count, rowBytes, rows)
    // Strips are padded with codes.
    guard let mask = lastByteMask else { return }
    for row in 1...count { rows[row * rowBytes - 1] &= mask }
  }

  /// The bits of a row's last byte that hold codes; nil if all of them do.
  private var lastByteMask: UInt8? {
    let perByte = alphabet.defaultFormat.codesPerByte
    let used = columns % perByte
    return used == 0 ? nil : UInt8(1 << (used * 8 / perByte) - 1)
  }

  /// Checks that all codes of rows exist and that unused bits are zero.
  package func check(rows bytes: UnsafePointer<UInt8>, source: String) throws(InputError) {
    let bytes = UnsafeBufferPointer(start: bytes, count: byteCount(.rows))
    let perByte = alphabet.defaultFormat.codesPerByte
    if alphabet == .ternary, let bad = bytes.firstIndex(where: { $0 & $0 >> 1 & 0x55 != 0 }) {
      let pairs = bytes[bad] & bytes[bad] >> 1 & 0x55
      let slot = pairs.trailingZeroBitCount / 2
      throw InputError(
        .malformed, source: source,
        found: "code 3 in row \(bad / rowBytes), column \(bad % rowBytes * perByte + slot)",
        expected: "codes 0, 1, 2")
    }
    guard let mask = lastByteMask else { return }
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
