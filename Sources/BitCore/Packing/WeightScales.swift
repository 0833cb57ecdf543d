import CBitKernels

/// What a matrix of codes is multiplied with: `weight[r, c] = scale * code[r, c]`.
public enum WeightScales: Sendable, Hashable {
  /// One scale for each of the equal groups of rows: one for the tensor, or as many as rows.
  case groups([Float])
  /// One scale for each block of `columns` (64, 128 or 256) weights along a row, `[rows, blocks]`
  /// row-major; the last block of a row may be shorter.
  case blocks(columns: Int, [Float])

  /// The lengths that a block of columns may have.
  public static let blockLengths = [64, 128, 256]

  /// The scales, as they were given.
  public var values: [Float] {
    switch self {
    case .groups(let values), .blocks(_, let values): values
    }
  }

  /// The columns that share a scale; nil where all columns of a row do.
  public var blockColumns: Int? {
    if case .blocks(let columns, _) = self { columns } else { nil }
  }

  /// Which weights share a scale.
  public var kind: ScaleKind {
    switch self {
    case .groups(let values): values.count == 1 ? .tensor : .groups(values.count)
    case .blocks(let columns, _): .block(columns: columns)
    }
  }

  /// Where the scale of each weight of a matrix is.
  public func layout(rows: Int, columns: Int) -> ScaleLayout {
    ScaleLayout(kind, rows: rows, columns: columns)
  }

  func check(rows: Int, columns: Int) throws(InputError) {
    switch self {
    case .groups(let values):
      guard !values.isEmpty, rows % values.count == 0 else {
        throw InputError(
          .mismatch, source: "scales", found: "\(values.count) groups",
          expected: "a number that divides \(rows) rows")
      }
    case .blocks(let length, let values):
      guard Self.blockLengths.contains(length) else {
        throw InputError(
          .unsupported, source: "scales", found: "blocks of \(length) weights",
          expected: "64, 128 or 256")
      }
      let count = layout(rows: rows, columns: columns).count
      guard values.count == count else {
        throw InputError(
          .mismatch, source: "scales", found: "\(values.count) scales",
          expected: "\(count) for \(rows) x \(columns) in blocks of \(length)")
      }
    }
  }
}

/// Scales in the order in which the kernels read them.
struct KernelScales: Sendable {
  /// A scale for each row; empty with blocks.
  let rows: [Float]
  /// `[strip, block, row of the strip]`, or nil.
  let blocks: AlignedBuffer<Float>?
  /// The same as half precision floats, where those are exact: less to read from memory.
  let halves: AlignedBuffer<UInt16>?

  init(_ scales: WeightScales, rows: Int, columns: Int) {
    let layout = scales.layout(rows: rows, columns: columns)
    switch scales {
    case .groups(let values):
      self.rows = (0..<rows).map { values[layout.index(row: $0, column: 0)] }
      (blocks, halves) = (nil, nil)
    case .blocks(_, let values):
      self.rows = []
      let count = layout.scalesPerRow
      let stripRows = Int(BK_STRIP_ROWS)
      let floats = AlignedBuffer<Float>(
        repeating: 0, count: bk_strip_count(rows) * count * stripRows, for: .weights)
      for row in 0..<rows {
        for block in 0..<count {
          floats.pointer[(row / stripRows * count + block) * stripRows + row % stripRows] =
            values[row * count + block]
        }
      }
      // Pointers do not keep a buffer alive: see the end of its use.
      let halves = AlignedBuffer<UInt16>(uninitialized: floats.count, for: .weights)
      let isExact = bk_narrow_to_halves(floats.pointer, floats.count, halves.pointer) != 0
      withExtendedLifetime((floats, halves)) {}
      (blocks, self.halves) = isExact ? (nil, halves) : (floats, nil)
    }
  }

  /// Bytes in memory.
  var byteCount: Int {
    MemoryLayout<Float>.stride * (rows.count + (blocks?.count ?? 0))
      + MemoryLayout<UInt16>.stride * (halves?.count ?? 0)
  }
}
