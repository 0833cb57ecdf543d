import CBitKernels

/// A matrix of ternary or sign codes in the order in which the kernels read them, with a scale for
/// each group of rows: `weight[r, c] = scale[group(r)] * code[r, c]`.
///
/// Codes take 2 bits (ternary) or 1 bit (sign) once packed. Codes that are used once, as in a
/// training step, stay at a byte each; products are the same bits either way.
public struct PackedMatrix: Sendable {
  /// Output features.
  public let rows: Int
  /// Input features.
  public let columns: Int
  /// Which codes the matrix holds.
  public let alphabet: WeightQuantizer
  /// Bits in memory for each code: 8, 2 or 1.
  public let storageBits: Int
  /// The scale of each group of rows.
  public let groupScales: [Float]

  private let rowScales: [Float]
  private let panels: AlignedBuffer<UInt8>

  private static let panelRows = Int(BK_PANEL_ROWS)
  private static let blockPanels = Int(BK_BLOCK_PANELS)

  init(
    rows: Int, columns: Int, alphabet: WeightQuantizer, storageBits: Int, groupScales: [Float]
  ) {
    self.rows = rows
    self.columns = columns
    self.alphabet = alphabet
    self.storageBits = storageBits
    self.groupScales = groupScales
    let groupRows = rows / groupScales.count
    rowScales = (0..<rows).map { groupScales[$0 / groupRows] }
    panels = AlignedBuffer(
      uninitialized: Self.panelCount(rows) * bk_panel_bytes(columns, Int32(storageBits)))
  }

  /// A packed matrix of the given codes.
  ///
  /// - Parameters:
  ///   - codes: -1, 0, +1 (ternary) or -1, +1 (sign), row-major, `rows * columns` of them.
  ///   - groupScales: one scale for each of the equal groups of rows.
  /// - Throws: ``InputError`` for a code outside the alphabet or a count that does not fit.
  public init(
    codes: [Int8], rows: Int, columns: Int, alphabet: WeightQuantizer, groupScales: [Float]
  ) throws(InputError) {
    let (count, overflows) = rows.multipliedReportingOverflow(by: columns)
    guard rows >= 0, columns >= 0, !overflows, codes.count == count else {
      throw InputError(
        .mismatch, source: "codes", found: "\(codes.count) codes",
        expected: "\(rows) x \(columns)")
    }
    guard !groupScales.isEmpty, rows % groupScales.count == 0 else {
      throw InputError(
        .mismatch, source: "scales", found: "\(groupScales.count) groups",
        expected: "a number that divides \(rows) rows")
    }
    if let bad = codes.firstIndex(where: {
      !(-1...1).contains($0) || (alphabet == .sign && $0 == 0)
    }) {
      throw InputError(
        .malformed, source: "code \(bad)", found: "\(codes[bad])",
        expected: alphabet == .sign ? "-1 or +1" : "-1, 0 or +1")
    }
    var matrix = PackedMatrix(
      rows: rows, columns: columns, alphabet: alphabet, storageBits: 8, groupScales: groupScales)
    let isSign = alphabet == .sign
    matrix.fillPanels { first, count, panel in
      panel.initialize(repeating: 0, count: bk_panel_bytes(columns, 8))
      for row in 0..<count {
        for column in 0..<columns {
          let code = codes[(first + row) * columns + column]
          panel[Self.offset(row: row, column: column)] = UInt8(isSign ? (code + 1) / 2 : code + 1)
        }
      }
    }
    self = matrix.packed()
  }

  private static func panelCount(_ rows: Int) -> Int { (rows + panelRows - 1) / panelRows }

  /// Where an unpacked panel holds the code of a row and a column.
  private static func offset(row: Int, column: Int) -> Int {
    32 * (column / 4) + 4 * row + column % 4
  }

  /// Lets `body` write every unpacked panel, given its first row, its number of rows and its
  /// memory; panels are written in parallel.
  mutating func fillPanels(
    _ body: (_ firstRow: Int, _ rows: Int, _ panel: UnsafeMutablePointer<UInt8>) -> Void
  ) {
    let bytes = bk_panel_bytes(columns, 8)
    ThreadPool.shared.parallelFor(Self.panelCount(rows), grain: 1 + 32_768 / (bytes + 1)) {
      for panel in $0 {
        let first = panel * Self.panelRows
        body(first, min(Self.panelRows, rows - first), panels.pointer + panel * bytes)
      }
    }
  }

  /// The same matrix at 2 bits (ternary) or 1 bit (sign) a code.
  public func packed() -> PackedMatrix {
    guard storageBits == 8 else { return self }
    let result = PackedMatrix(
      rows: rows, columns: columns, alphabet: alphabet, storageBits: alphabet.packedBits,
      groupScales: groupScales)
    let bits = Int32(alphabet.packedBits)
    let (from, to) = (bk_panel_bytes(columns, 8), bk_panel_bytes(columns, bits))
    for panel in 0..<Self.panelCount(rows) {
      bk_pack_panel(
        panels.pointer + panel * from, columns, bits, result.panels.pointer + panel * to)
    }
    return result
  }

  /// The codes, row-major: -1, 0, +1.
  public var codes: [Int8] {
    let bytes = bk_panel_bytes(columns, Int32(storageBits))
    let unpacked = AlignedBuffer<UInt8>(uninitialized: bk_panel_bytes(columns, 8))
    var codes = [Int8](repeating: 0, count: rows * columns)
    for row in 0..<rows {
      let panel = panels.pointer + row / Self.panelRows * bytes
      if row % Self.panelRows == 0, storageBits != 8 {
        bk_unpack_panel(
          Kernels.active.table, panel, columns, Int32(storageBits), unpacked.pointer)
      }
      let source = storageBits == 8 ? panel : unpacked.pointer
      for column in 0..<columns {
        let stored = Int8(source[Self.offset(row: row % Self.panelRows, column: column)])
        codes[row * columns + column] = alphabet == .sign ? 2 * stored - 1 : stored - 1
      }
    }
    return codes
  }

  /// The weights `scale * code`, `[rows, columns]`.
  public var values: Tensor {
    let codes = codes
    return Tensor.build([rows, columns]) { values in
      for i in codes.indices { values[i] = Float(codes[i]) * rowScales[i / columns] }
    }
  }

  /// Bytes of the codes in memory.
  public var codeByteCount: Int { panels.count }

  /// Bytes of the codes and scales in memory.
  public var byteCount: Int {
    panels.count + MemoryLayout<Float>.stride * rowScales.count
  }

  /// The product with quantized activations,
  /// `y[t, r] = (sum_c code[r, c] * q[t, c]) * scale[group(r)] / s[t] (+ bias[r])`.
  ///
  /// The sum is an exact integer and the float operations have one fixed order, so the result is
  /// the same bits on every CPU, for every number of threads, and for a token alone or in a batch.
  ///
  /// - Parameters:
  ///   - x: activations `[..., columns]`.
  ///   - bias: `[rows]` or nil.
  /// - Returns: `[..., rows]`.
  public func multiply(_ x: QuantizedTensor, bias: Tensor? = nil) -> Tensor {
    multiply(x, bias: bias, kernels: .active, pool: .shared)
  }

  package func multiply(
    _ x: QuantizedTensor, bias: Tensor?, kernels: Kernels, pool: ThreadPool
  ) -> Tensor {
    precondition(
      x.shape.rank > 0 && x.shape.features == columns,
      "an input of shape \(x.shape) does not fit a layer of \(columns) input features")
    precondition(
      bias == nil || bias?.shape == [rows],
      "a bias of shape \(bias?.shape ?? []) does not fit \(rows) output features")
    let tokens = x.shape.rows
    let blocks = (Self.panelCount(rows) + Self.blockPanels - 1) / Self.blockPanels
    let splitsTokens = blocks < pool.threads && tokens > blocks
    let work = tokens * rows * columns
    let parts = work < 1 << 16 ? 1 : splitsTokens ? tokens : blocks
    return Tensor.build(x.shape.replacingFeatures(rows)) { y in
      withCViews(x) { matrix, activations in
        pool.parallelFor(parts) { range in
          // All of an axis that is not split; panels go by blocks, as the kernels take them.
          let share = { (count: Int) in
            count * range.lowerBound / parts..<count * range.upperBound / parts
          }
          let tokenRange = splitsTokens ? share(tokens) : 0..<tokens
          let blockRange = splitsTokens ? 0..<blocks : share(blocks)
          bk_matmul(
            kernels.table, matrix, activations, Self.blockPanels * blockRange.lowerBound,
            min(Self.blockPanels * blockRange.upperBound, Self.panelCount(rows)),
            tokenRange.lowerBound, tokenRange.upperBound, bias?.pointer, y, rows)
        }
      }
      withExtendedLifetime(bias) {}
    }
  }

  private func withCViews(
    _ x: QuantizedTensor,
    _ body: (UnsafePointer<bk_matrix>, UnsafePointer<bk_activations>) -> Void
  ) {
    rowScales.withUnsafeBufferPointer { scales in
      x.sums.withUnsafeBufferPointer { sums in
        x.inverseScales.withUnsafeBufferPointer { inverseScales in
          var matrix = bk_matrix(
            rows: rows, columns: columns, alphabet: alphabet.alphabet, bits: Int32(storageBits),
            panels: panels.pointer, row_scales: scales.baseAddress)
          var activations = bk_activations(
            stride: x.stride, narrow: x.narrow.map { UnsafePointer($0.pointer) },
            wide: x.wide.map { UnsafePointer($0.pointer) }, sums: sums.baseAddress,
            inverse_scales: inverseScales.baseAddress)
          body(&matrix, &activations)
        }
      }
    }
    withExtendedLifetime((panels, x)) {}
  }
}
