import BitCore
import BitFormats
import Synchronization

/// A float weight that becomes codes while it is read, and what that does to it.
///
/// The codes are those of `WeightQuantizer`, bit for bit, though rows are read some at a time:
/// once for the statistics of the groups, then whenever they are asked for.
public final class QuantizedLayer: Sendable {
  /// The name of the weight in the source.
  public let name: String
  /// Output and input features.
  public let shape: [Int]
  /// The bytes of the weight in the source.
  public let bytesBefore: Int
  /// One scale for each group of rows, as computed.
  public let scales: [Float]
  /// Whether all weights are 0.
  public let isZero: Bool
  /// The type of the float weight.
  public let type: ModelTensor.StoredType
  let codes: CodedTensor

  /// By rows: the sums of w * w, w * code, code * code, code. Set whenever a row is read.
  private let sums: RowSums

  private final class RowSums: Sendable {
    let values: Mutex<[SIMD4<Double>]>
    init(rows: Int) { values = Mutex([SIMD4<Double>](repeating: .zero, count: rows)) }
  }

  /// Reads the whole weight once.
  ///
  /// - Throws: ``InputError`` that names file and tensor: `.mismatch` if `groups` does not divide
  ///   the rows, `.notFinite` with the place of a weight that is NaN or infinite.
  init(
    _ tensor: ModelTensor, _ quantizer: WeightQuantizer, groups: Int,
    progress: (Int) throws(InputError) -> Void
  ) throws(InputError) {
    let (rows, columns) = (tensor.rows, tensor.columns)
    guard groups >= 1, rows.isMultiple(of: groups), rows > 0, columns > 0 else {
      throw InputError(
        .mismatch, source: tensor.source, found: "\(rows) x \(columns) weights in \(groups) groups",
        expected: "groups that divide the rows")
    }
    var rowSums: [SIMD2<Double>] = []
    rowSums.reserveCapacity(rows)
    for first in stride(from: 0, to: rows, by: tensor.pieceRows) {
      let range = first..<min(rows, first + tensor.pieceRows)
      let values = try tensor.values(range)
      if let bad = values.firstIndex(where: { !$0.isFinite }) {
        throw InputError(
          .notFinite, source: tensor.source,
          found: "\(values[bad]) in row \(first + bad / columns), column \(bad % columns)",
          expected: "finite weights")
      }
      rowSums += WeightQuantizer.rowSums(of: Tensor(values).reshaped([range.count, columns]))
      try progress(tensor.byteCount / rows * range.upperBound)
    }
    tensor.releasePages()
    let statistics = quantizer.statistics(rowSums: rowSums, columns: columns, groups: groups)
    let sums = RowSums(rows: rows)
    let groupRows = rows / groups
    let layout = ScaleLayout(groups == 1 ? .tensor : .groups(groups), rows: rows, columns: columns)
    name = tensor.name
    shape = [rows, columns]
    type = tensor.type
    bytesBefore = tensor.byteCount
    scales = statistics.map(\.scale)
    isZero = rowSums.allSatisfy { $0[1] == 0 }
    self.sums = sums
    codes = CodedTensor(
      source: tensor.source, alphabet: quantizer.alphabet, layout: layout,
      readScales: { rows in layout.indices(rows: rows).map { statistics[$0].scale } }
    ) { (range) throws(InputError) in
      let values = try tensor.values(range)
      let own = range.map { statistics[$0 / groupRows] }
      let scales = layout.indices(rows: range).map { statistics[$0].scale }
      if range.isEmpty { return ([], scales) }
      let codes = quantizer.quantize(
        Tensor(values).reshaped([range.count, columns]), statistics: own
      ).codes
      let new = (0..<range.count).map { row in
        Self.sums(values, codes, row * columns..<(row + 1) * columns)
      }
      sums.values.withLock { $0.replaceSubrange(range, with: new) }
      return (codes, scales)
    }
  }

  /// The sums of w * w, w * code, code * code and code.
  private static func sums(_ weights: [Float], _ codes: [Int8], _ range: Range<Int>) -> SIMD4<
    Double
  > {
    var (squares, products) = (SIMD4<Double>.zero, SIMD4<Double>.zero)
    var (ones, difference) = (0, 0)
    weights.withUnsafeBufferPointer { weights in
      codes.withUnsafeBufferPointer { codes in
        var index = range.lowerBound
        // Four sums at a time, which do not wait for each other.
        while index + 4 <= range.upperBound {
          let w = SIMD4(
            Double(weights[index]), Double(weights[index + 1]), Double(weights[index + 2]),
            Double(weights[index + 3]))
          let c = SIMD4(
            Double(codes[index]), Double(codes[index + 1]), Double(codes[index + 2]),
            Double(codes[index + 3]))
          squares += w * w
          products += w * c
          index += 4
        }
        while index < range.upperBound {
          let (w, c) = (Double(weights[index]), Double(codes[index]))
          squares[0] += w * w
          products[0] += w * c
          index += 1
        }
        for index in range {
          let code = Int(codes[index])
          ones &+= code & 1
          difference &+= code
        }
      }
    }
    return SIMD4(squares.sum(), products.sum(), Double(ones), Double(difference))
  }

  /// How many weights have each code, once all rows were read.
  public var codeCounts: (minus: Int, zero: Int, plus: Int) {
    let sum = sums.values.withLock { $0.reduce(.zero, +) }
    let (ones, difference) = (Int(sum[2]), Int(sum[3]))
    return ((ones - difference) / 2, shape[0] * shape[1] - ones, (ones + difference) / 2)
  }

  /// What the codes keep of the weights, once all rows were read.
  public struct Quality: Sendable {
    /// ||W - W~|| / ||W||; 0 for a weight of zeros that stays one.
    public let relativeError: Double
    /// W · W~ / (||W|| ||W~||); nil if one of them is zero.
    public let cosine: Double?
    /// The share of codes that are 0.
    public let zeroShare: Double
  }

  /// The quality with scales as they are stored.
  ///
  /// - Parameter stored: what becomes of a scale, such as its half precision value.
  public func quality(_ stored: (Float) -> Float = { $0 }) -> Quality {
    let groupRows = shape[0] / scales.count
    let rows = sums.values.withLock { $0 }
    var (weights, products, quantized, ones) = (0.0, 0.0, 0.0, 0.0)
    for (row, sum) in rows.enumerated() {
      let scale = Double(stored(scales[row / groupRows]))
      weights += sum[0]
      products += scale * sum[1]
      quantized += scale * scale * sum[2]
      ones += sum[2]
    }
    let error = max(0, weights - 2 * products + quantized)
    let norms = weights.squareRoot() * quantized.squareRoot()
    return Quality(
      relativeError: weights > 0 ? (error / weights).squareRoot() : error > 0 ? .infinity : 0,
      cosine: norms > 0 ? products / norms : nil,
      zeroShare: 1 - ones / Double(shape[0] * shape[1]))
  }
}
