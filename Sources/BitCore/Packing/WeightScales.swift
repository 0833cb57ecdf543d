/// The factors of a matrix of codes: `weight[r, c] = scale * code[r, c]`.
public enum WeightScales: Sendable, Hashable {
  /// One scale per group of rows; all groups have the same number of rows. One group is the whole
  /// matrix, and there may be as many groups as rows.
  case groups([Float])
  /// One scale per block of `columns` (64, 128 or 256) consecutive weights of a row, `[rows, blocks]`
  /// row-major. The last block of a row may be shorter.
  case blocks(columns: Int, [Float])

  /// The lengths that a block of columns may have.
  public static let blockLengths = [64, 128, 256]

  /// All scales, in their order.
  public var values: [Float] {
    switch self {
    case .groups(let values), .blocks(_, let values): values
    }
  }

  /// Scales of the same kind with other values, as many as ``values``.
  package func replacingValues(_ values: [Float]) -> WeightScales {
    switch self {
    case .groups: .groups(values)
    case .blocks(let columns, _): .blocks(columns: columns, values)
    }
  }

  /// The number of columns that share a scale; nil if all columns of a row do.
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

  /// Checks that the scales fit a matrix.
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

extension WeightScales: CustomStringConvertible {
  /// The number of scales and what each of them belongs to.
  public var description: String {
    switch self {
    case .groups(let values): "\(values.count) \(values.count == 1 ? "group" : "groups") of rows"
    case .blocks(let columns, let values): "\(values.count) in blocks of \(columns) weights"
    }
  }
}
