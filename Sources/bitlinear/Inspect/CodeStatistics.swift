import BitCore
import BitFormats
import BitNN

/// What can be said about codes and their scales after going through them once, by ranges of rows.
struct CodeStatistics: Sendable {
  /// How often each code occurs.
  private(set) var codes: LayerCodes
  /// The scales as factors of the codes. One that goes for several rows is met in each of them, so
  /// their number here is not how many are stored.
  private(set) var factors = ValueStatistics()
  /// The products of scales and codes.
  private(set) var values = ValueStatistics()

  /// Nothing yet.
  init(name: String) {
    codes = LayerCodes(name: name, minusOnes: 0, zeros: 0, plusOnes: 0)
  }

  /// The statistics of a whole tensor, of which only some rows are in memory at a time.
  ///
  /// - Parameters:
  ///   - name: the name for ``codes``.
  ///   - tensor: the codes and scales.
  ///   - releasePages: called after each part, to give back the memory of what was read.
  /// - Throws: what ``CodedTensor/rows(_:)`` throws.
  init(
    _ name: String, of tensor: CodedTensor, releasePages: () -> Void = {}
  ) throws(InputError) {
    self.init(name: name)
    let piece = max(1, Self.pieceCount / max(1, tensor.columns))
    for first in stride(from: 0, to: tensor.rows, by: piece) {
      let rows = first..<min(tensor.rows, first + piece)
      add(try tensor.rows(rows), rows: rows.count, of: tensor)
      releasePages()
    }
  }

  /// The codes that are in memory at a time, unless a row has more.
  private static let pieceCount = 1 << 20

  /// Takes in the codes and scales of some rows.
  mutating func add(_ read: CodedTensor.Rows, rows: Int, of tensor: CodedTensor) {
    let columns = tensor.columns
    let length = if case .block(let columns) = tensor.scaleKind { columns } else { max(1, columns) }
    let perRow = tensor.scaleKind == .tensor ? 0 : tensor.scalesPerRow
    for scale in read.scales { factors.add(Double(scale), times: 1) }
    read.codes.withUnsafeBufferPointer { codes in
      for row in 0..<rows {
        for (block, start) in stride(from: 0, to: columns, by: length).enumerated() {
          let end = min(columns, start + length)
          var (minus, plus) = (0, 0)
          for code in codes[row * columns + start..<row * columns + end] {
            minus += code < 0 ? 1 : 0
            plus += code > 0 ? 1 : 0
          }
          let zeros = end - start - minus - plus
          let scale = Double(read.scales[row * perRow + block])
          self.codes.minusOnes += minus
          self.codes.zeros += zeros
          self.codes.plusOnes += plus
          values.add(-scale, times: minus)
          values.add(0, times: zeros)
          values.add(scale, times: plus)
        }
      }
    }
  }
}

extension LayerCodes {
  /// The counts of the codes of one layer.
  init(name: String, codes: [Int8]) {
    var counts = [0, 0, 0]
    for code in codes { counts[Int(code) + 1] += 1 }
    self.init(name: name, minusOnes: counts[0], zeros: counts[1], plusOnes: counts[2])
  }
}
