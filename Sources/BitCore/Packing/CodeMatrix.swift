import CBitKernels

/// A matrix of ternary or sign codes in the order in which the kernels read them, with its scales:
/// `weight[r, c] = scale * code[r, c]`.
///
/// A matrix with a ``format`` is packed: its codes take 2, 1.6 or 1 bits. A matrix whose format is
/// nil is *not packed*: its codes take a byte each. This is what ``WeightQuantizer`` makes unless it
/// is told otherwise, because codes that are used once, as in a training step, are not worth
/// packing. ``packed(as:)`` packs them. Products have the same bits either way.
public struct CodeMatrix: Sendable {
  /// Output features.
  public let rows: Int
  /// Input features.
  public let columns: Int
  /// Which codes the matrix holds.
  public let alphabet: WeightAlphabet
  /// How the codes are packed; nil if they are not packed and take a byte each.
  public let format: PackedFormat?
  /// The scales of groups of rows, or of blocks along the rows.
  public let scales: WeightScales

  let kernelScales: KernelScales
  let codeBuffer: AlignedBuffer<UInt8>
  /// The kernels that packed the codes, in the layout that they read.
  let kernels: KernelSet

  /// The maximum number of columns. With more, the 32-bit sums of products would not be exact.
  public static let maximumColumns = 1 << 23

  /// A matrix whose codes the caller must write, in new memory or in a given buffer.
  init(
    rows: Int, columns: Int, alphabet: WeightAlphabet, format: PackedFormat?,
    scales: WeightScales, kernels: KernelSet = .active, codeBuffer: AlignedBuffer<UInt8>? = nil
  ) {
    precondition(
      columns <= Self.maximumColumns,
      "\(columns) columns are more than \(Self.maximumColumns)")
    self.rows = rows
    self.columns = columns
    self.alphabet = alphabet
    self.format = format
    self.scales = scales
    self.kernels = kernels
    kernelScales = KernelScales(scales, rows: rows, columns: columns)
    let bytes =
      bk_strip_count(rows)
      * bk_strip_bytes(
        kernels.layout(format), columns, format.kernelFormat, scales.blockColumns ?? 0)
    precondition(
      codeBuffer == nil || codeBuffer?.count == bytes,
      "\(codeBuffer?.count ?? 0) bytes are no memory for \(bytes) bytes of codes")
    self.codeBuffer =
      codeBuffer ?? AlignedBuffer(uninitialized: bytes, for: format == nil ? .values : .weights)
  }

  private init(
    _ other: CodeMatrix, scales: WeightScales, codeBuffer: AlignedBuffer<UInt8>
  ) {
    (rows, columns, alphabet) = (other.rows, other.columns, other.alphabet)
    (format, self.scales, self.codeBuffer) = (other.format, scales, codeBuffer)
    kernels = other.kernels
    kernelScales = KernelScales(scales, rows: rows, columns: columns)
  }

  /// The same matrix with a copy of the codes.
  package func copy() -> CodeMatrix {
    CodeMatrix(self, scales: scales, codeBuffer: codeBuffer.copy())
  }

  /// The same codes with other scales of the same kind.
  package func rescaled(_ scales: WeightScales) -> CodeMatrix {
    precondition(
      scales.blockColumns == self.scales.blockColumns,
      "scales of blocks of \(self.scales.blockColumns ?? 0) weights cannot become "
        + "\(scales.blockColumns ?? 0)")
    return CodeMatrix(self, scales: scales, codeBuffer: codeBuffer)
  }

  /// A packed matrix of the given codes.
  ///
  /// - Parameters:
  ///   - codes: -1, 0, +1 (ternary) or -1, +1 (sign), row-major, `rows * columns` of them.
  ///   - rows: the output features.
  ///   - columns: the input features.
  ///   - alphabet: the values that the codes can take.
  ///   - scales: the factors of the codes.
  ///   - format: how to pack them; nil for the alphabet's default.
  /// - Throws: ``InputError`` for a code outside the alphabet, a format that does not hold the
  ///   alphabet, or a count that does not fit.
  public init(
    codes: [Int8], rows: Int, columns: Int, alphabet: WeightAlphabet, scales: WeightScales,
    format: PackedFormat? = nil
  ) throws(InputError) {
    let (count, overflows) = rows.multipliedReportingOverflow(by: columns)
    guard rows >= 0, columns >= 0, !overflows, codes.count == count else {
      throw InputError(
        .mismatch, source: "codes", found: "\(codes.count) codes",
        expected: "\(rows) x \(columns)")
    }
    try Self.check(columns: columns)
    try scales.check(rows: rows, columns: columns)
    let format = try alphabet.checkedFormat(format)
    if let bad = codes.firstIndex(where: {
      !(-1...1).contains($0) || (alphabet == .sign && $0 == 0)
    }) {
      throw InputError(
        .malformed, source: "code \(bad)", found: "\(codes[bad])",
        expected: alphabet == .sign ? "-1 or +1" : "-1, 0 or +1")
    }
    self.init(
      rows: rows, columns: columns, alphabet: alphabet, format: format, scales: scales)
    codes.withUnsafeBufferPointer { codes in
      guard let codes = codes.baseAddress else { return }
      fillStrips { first, count, panels in
        bk_panels_from_codes(codes + first * columns, count, columns, panels)
      }
    }
  }

  /// A packed matrix of the given codes with a scale for each of the equal groups of rows.
  public init(
    codes: [Int8], rows: Int, columns: Int, alphabet: WeightAlphabet, groupScales: [Float]
  ) throws(InputError) {
    try self.init(
      codes: codes, rows: rows, columns: columns, alphabet: alphabet,
      scales: .groups(groupScales))
  }

  static func check(columns: Int) throws(InputError) {
    guard columns <= maximumColumns else {
      throw InputError(
        .unsupported, source: "codes", found: "\(columns) columns",
        expected: "at most \(maximumColumns)")
    }
  }

  /// The index of the byte of a panel that holds the code of a row and a column.
  private static func offset(row: Int, column: Int) -> Int {
    64 * (column / 4) + 4 * row + column % 4
  }

  private static let panelRows = Int(BK_PANEL_ROWS)
  /// The rows of a strip.
  package static let stripRows = Int(BK_STRIP_ROWS)
  static let stripPanels = Int(BK_STRIP_PANELS)

  var stripCount: Int { bk_strip_count(rows) }

  var stripBytes: Int {
    bk_strip_bytes(layout, columns, format.kernelFormat, scales.blockColumns ?? 0)
  }

  /// How the codes lie in memory.
  var layout: bk_layout { kernels.layout(format) }

  /// Lets `body` write the codes of every panel, given its first row, its number of rows and its
  /// memory, and packs them to the matrix's format. Strips are written in parallel.
  func fill(
    pool: ThreadPool = .shared,
    _ body: (_ firstRow: Int, _ rows: Int, _ panel: UnsafeMutablePointer<UInt8>) -> Void
  ) {
    let panelBytes = bk_panel_bytes(columns)
    fillStrips(pool: pool) { first, count, panels in
      for panel in 0..<Self.stripPanels {
        let (start, memory) = (panel * Self.panelRows, panels + panel * panelBytes)
        if start < count {
          body(first + start, min(Self.panelRows, count - start), memory)
        } else {
          memory.initialize(repeating: 0, count: panelBytes)
        }
      }
    }
  }

  /// The same for the four panels of a strip at once, all of whose bytes `body` must write.
  func fillStrips(
    pool: ThreadPool = .shared,
    _ body: (_ firstRow: Int, _ rows: Int, _ panels: UnsafeMutablePointer<UInt8>) -> Void
  ) {
    let panelBytes = bk_panel_bytes(columns)
    let grain = 1 + 32_768 / (Self.stripPanels * panelBytes + 1)
    pool.parallelFor(stripCount, grain: grain) { strips in
      let unpacked =
        format == nil ? nil : AlignedBuffer<UInt8>(uninitialized: Self.stripPanels * panelBytes)
      defer { withExtendedLifetime((codeBuffer, unpacked)) {} }
      for strip in strips {
        let target = codeBuffer.pointer + strip * stripBytes
        let panels = unpacked?.pointer ?? target
        let first = strip * Self.stripRows
        body(first, min(Self.stripRows, rows - first), panels)
        if let format {
          bk_pack_strip(
            kernels.table, panels, columns, format.kernelFormat, scales.blockColumns ?? 0, target)
        }
      }
    }
  }

  /// The same matrix, packed.
  ///
  /// - Parameter format: how to pack the codes, a format of the same alphabet. By default the format
  ///   that the matrix has or, if it is not packed, the alphabet's default.
  public func packed(as format: PackedFormat? = nil) -> CodeMatrix {
    let format = format ?? self.format ?? alphabet.defaultFormat
    precondition(
      format.alphabet == alphabet, "\(format.rawValue) holds no \(alphabet.rawValue) codes")
    return format == self.format ? self : packed(as: format, for: kernels)
  }

  /// The same matrix for kernels that may want another layout.
  func adapted(to kernels: KernelSet) -> CodeMatrix {
    guard let format, kernels.layout(format) != layout else { return self }
    return packed(as: format, for: kernels)
  }

  private func packed(as format: PackedFormat, for kernels: KernelSet) -> CodeMatrix {
    let result = CodeMatrix(
      rows: rows, columns: columns, alphabet: alphabet, format: format, scales: scales,
      kernels: kernels)
    result.codeBuffer.withUnsafeMutablePointer { packed in
      withPanels { strip, panels in
        bk_pack_strip(
          kernels.table, panels, columns, format.kernelFormat, scales.blockColumns ?? 0,
          packed + strip * result.stripBytes)
      }
    }
    return result
  }

  /// Calls `body` with the panels of each strip, one strip after the other.
  private func withPanels(_ body: (_ strip: Int, _ panels: UnsafePointer<UInt8>) -> Void) {
    let unpacked = AlignedBuffer<UInt8>(
      uninitialized: format == nil ? 0 : Self.stripPanels * bk_panel_bytes(columns))
    defer { withExtendedLifetime((codeBuffer, unpacked)) {} }
    for strip in 0..<stripCount {
      let source = codeBuffer.pointer + strip * stripBytes
      if let format {
        bk_unpack_strip(
          kernels.table, source, columns, format.kernelFormat, scales.blockColumns ?? 0,
          unpacked.pointer)
      }
      body(strip, format == nil ? source : unpacked.pointer)
    }
  }

  /// The codes, row-major: -1, 0, +1.
  public var codes: [Int8] {
    let panelBytes = bk_panel_bytes(columns)
    return [Int8](unsafeUninitializedCapacity: rows * columns) { codes, count in
      withPanels { strip, panels in
        for row in strip * Self.stripRows..<min(rows, (strip + 1) * Self.stripRows) {
          let panel = panels + row % Self.stripRows / Self.panelRows * panelBytes
          let target = UnsafeMutableRawPointer(
            codes.baseAddress.unsafelyUnwrapped + row * columns)
          let source = UnsafeRawPointer(panel) + Self.offset(row: row % Self.panelRows, column: 0)
          // Four codes are adjacent, the next four 64 bytes later.
          for quad in 0..<columns / 4 {
            let stored = source.loadUnaligned(fromByteOffset: 64 * quad, as: SIMD4<UInt8>.self)
            target.storeBytes(of: stored &- 1, toByteOffset: 4 * quad, as: SIMD4<UInt8>.self)
          }
          for column in columns / 4 * 4..<columns {
            let stored = panel[Self.offset(row: row % Self.panelRows, column: column)]
            codes[row * columns + column] = Int8(bitPattern: stored &- 1)
          }
        }
      }
      count = rows * columns
    }
  }

  /// The scale of each group of rows; empty if scales belong to blocks.
  public var groupScales: [Float] {
    if case .groups(let values) = scales { values } else { [] }
  }

  /// Bytes of the codes in memory, without the scales.
  public var codeByteCount: Int { codeBuffer.count }

  /// Bytes of the codes and scales in memory.
  public var byteCount: Int { codeBuffer.count + kernelScales.byteCount }
}

extension CodeMatrix: CustomStringConvertible {
  /// Extents, alphabet, format, scales and bytes in one line.
  public var description: String {
    "CodeMatrix(rows: \(rows), columns: \(columns), alphabet: \(alphabet.rawValue), "
      + "format: \(formatName), scales: \(scales), bytes: \(byteCount))"
  }

  /// The name of the format, or words for none.
  var formatName: String { format?.rawValue ?? "not packed" }
}
