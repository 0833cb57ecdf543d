import BitNN

/// A way to hold weights that can be measured.
enum BenchFormat: String, CaseIterable {
  case ternary2
  case sign1

  /// A matrix of random codes in this format.
  func matrix(rows: Int, columns: Int, generator: inout SeededGenerator) -> PackedMatrix {
    let weights = generator.uniform([rows, columns], bound: 1)
    return (self == .sign1 ? WeightQuantizer.sign : .ternary).quantize(weights)
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
