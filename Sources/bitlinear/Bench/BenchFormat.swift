import BitCore
import BitNN

/// A way to hold weights that can be measured: a packed format, with one scale for the matrix or,
/// written with `-b128` after its name, one for each block of so many weights.
struct BenchFormat: CustomStringConvertible {
  let format: PackedFormat
  let blockColumns: Int?

  init?(_ text: String) {
    let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    guard let format = PackedFormat(rawValue: String(parts[0])) else { return nil }
    self.format = format
    blockColumns = parts.count > 1 ? Int(parts[1].dropFirst()) : nil
    guard parts.count == 1 || parts[1] == "b\(blockColumns ?? 0)",
      blockColumns.map(WeightScales.blockLengths.contains) ?? true
    else { return nil }
  }

  /// What may be written, for messages.
  static let choices =
    PackedFormat.allCases.map(\.rawValue).joined(separator: ", ")
    + ", each also with -b64, -b128 or -b256"

  var description: String {
    format.rawValue + (blockColumns.map { "-b\($0)" } ?? "")
  }

  /// A matrix of random codes in this format.
  func matrix(_ shape: BenchShape) -> CodeMatrix {
    var generator = SeededGenerator(seed: 0)
    let weights = generator.uniform([shape.rows, shape.columns], bound: 1)
    guard let blockColumns else {
      return WeightQuantizer(format.alphabet).quantize(weights, format: format)
    }
    // Scales as files have them: half precision floats.
    let blocks = (shape.columns + blockColumns - 1) / blockColumns
    let scales = (0..<shape.rows * blocks).map { Float($0 % 64 + 64) / 1024 }
    return WeightQuantizer(format.alphabet).quantize(
      weights, blockColumns: blockColumns, format: format
    )
    .rescaled(.blocks(columns: blockColumns, scales))
  }
}

/// The extents of a layer, written OUTxIN.
struct BenchShape: CustomStringConvertible {
  let rows: Int
  let columns: Int

  init?(_ text: String) {
    let parts = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let rows = parts[0], let columns = parts[1],
      (1...1 << 20).contains(rows), (1...1 << 20).contains(columns), rows * columns <= 1 << 30
    else { return nil }
    self.rows = rows
    self.columns = columns
  }

  var description: String { "\(rows)x\(columns)" }
}

/// Whether each call reads weights that the caches hold or others than the last calls.
enum BenchMode: String, CaseIterable {
  case hot
  case stream
}
