import ArgumentParser
import BitCore

/// A packed format to be measured, with one scale per matrix or, with a suffix such as `-b128`, one
/// per block of 128 weights.
struct BenchFormat: ExpressibleByArgument, CustomStringConvertible {
  let format: PackedFormat
  let blockColumns: Int?

  init?(argument: String) {
    let parts = argument.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    guard let format = PackedFormat(rawValue: String(parts[0])) else { return nil }
    self.format = format
    blockColumns = parts.count > 1 ? Int(parts[1].dropFirst()) : nil
    guard parts.count == 1 || parts[1] == "b\(blockColumns ?? 0)",
      blockColumns.map(WeightScales.blockLengths.contains) ?? true
    else { return nil }
  }

  /// What may be written, for the help.
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

/// The sizes of a layer, written OUTxIN.
struct BenchShape: ExpressibleByArgument, CustomStringConvertible {
  let rows: Int
  let columns: Int

  init?(argument: String) {
    let parts = argument.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let rows = parts[0], let columns = parts[1],
      (1...1 << 20).contains(rows), (1...1 << 20).contains(columns), rows * columns <= 1 << 30
    else { return nil }
    self.rows = rows
    self.columns = columns
  }

  var description: String { "\(rows)x\(columns)" }
}

/// Where a product reads its weights from.
enum BenchMode: String, CaseIterable, ExpressibleByArgument {
  /// From the caches: all calls use the same weights.
  case hot
  /// From memory: each call uses other weights than the calls before.
  case stream

  /// Where weights come from, for people.
  var source: String {
    switch self {
    case .hot: "from the caches"
    case .stream: "from memory"
    }
  }
}
