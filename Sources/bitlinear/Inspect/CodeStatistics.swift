import BitCore
import BitFormats

/// What can be said about codes and their scales after going through them once, by ranges of rows.
struct CodeStatistics: Sendable {
  /// How often each code occurs.
  private(set) var codes: LayerCodes
  /// The scales as factors of the codes. One that applies to several rows may be met more than
  /// once, so their number here is not how many are stored.
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
      add(try tensor.rows(first..<min(tensor.rows, first + piece)))
      releasePages()
    }
  }

  /// The codes that are in memory at a time, unless a row has more.
  private static let pieceCount = 1 << 20

  /// Takes in the codes and scales of some rows.
  private mutating func add(_ rows: CodedRows) {
    for scale in rows.scales { factors.add(Double(scale), times: 1) }
    rows.forEachRun { run in
      var (minus, plus) = (0, 0)
      for code in rows.codes[run.codes] {
        minus += code < 0 ? 1 : 0
        plus += code > 0 ? 1 : 0
      }
      let zeros = run.codes.count - minus - plus
      let scale = Double(run.scale)
      codes.minusOnes += minus
      codes.zeros += zeros
      codes.plusOnes += plus
      values.add(-scale, times: minus)
      values.add(0, times: zeros)
      values.add(scale, times: plus)
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
