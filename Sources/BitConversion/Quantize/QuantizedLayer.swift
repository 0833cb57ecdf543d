import BitCore
import BitFormats
import Synchronization

/// A float weight that becomes codes while it is read, and what that does to it.
///
/// The codes are those of ``WeightQuantizer``, bit for bit, though rows are read some at a time:
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
    name = tensor.name
    shape = [rows, columns]
    type = tensor.type
    bytesBefore = tensor.byteCount
    scales = statistics.map(\.scale)
    isZero = rowSums.allSatisfy { $0[1] == 0 }
    self.sums = sums
    codes = CodedTensor(
      source: tensor.source, rows: rows, columns: columns, alphabet: quantizer.alphabet,
      scaleKind: groups == 1 ? .tensor : .row,
      readScales: { range in
        groups == 1 ? [statistics[0].scale] : range.map { statistics[$0 / groupRows].scale }
      }
    ) { (range) throws(InputError) in
      let values = try tensor.values(range)
      let own = range.map { statistics[$0 / groupRows] }
      if range.isEmpty { return ([], groups == 1 ? [statistics[0].scale] : []) }
      let codes = quantizer.quantize(
        Tensor(values).reshaped([range.count, columns]), statistics: own
      ).codes
      let new = (0..<range.count).map { row in
        Self.sums(values, codes, row * columns..<(row + 1) * columns)
      }
      sums.values.withLock { $0.replaceSubrange(range, with: new) }
      return (codes, groups == 1 ? [statistics[0].scale] : own.map(\.scale))
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

extension ModelFile {
  /// Whether a weight is quantized unless the user says otherwise: a matrix of a linear layer, and
  /// not of an embedding, a norm or the head.
  public static func isLinearWeight(_ name: String) -> Bool {
    guard name.hasSuffix(".weight") else { return false }
    // GGUF calls the head "output", and a projection of the attention "attn_output".
    let part = name.dropLast(7).split(separator: ".").last ?? ""
    let kept = ["embed", "embd", "lm_head", "norm", "wte", "wpe"]
    return part != "output" && !kept.contains { name.contains($0) }
  }

  /// The same checkpoint with float matrices as codes.
  ///
  /// - Parameters:
  ///   - quantizer: the rule.
  ///   - groups: equal groups of rows with a scale each.
  ///   - selects: whether the float matrix of a name is quantized.
  ///   - progress: is told how far reading is.
  /// - Returns: the checkpoint, and the layers in its order.
  /// - Throws: ``InputError``: `.missing` if nothing is selected, `.mismatch` if the rows of a weight
  ///   are no multiple of `groups`, `.notFinite` for a weight that is NaN or infinite. What
  ///   `progress` throws.
  public func quantized(
    _ quantizer: WeightQuantizer, groups: Int = 1,
    selects: (String) -> Bool = ModelFile.isLinearWeight,
    progress: ConversionProgress.Handler? = nil
  ) throws -> (source: ModelFile, layers: [QuantizedLayer]) {
    try ConversionProgress.withHandler(progress) { (handler) throws(InputError) in
      try quantized(quantizer, groups: groups, selects: selects, handler)
    }
  }

  private func quantized(
    _ quantizer: WeightQuantizer, groups: Int, selects: (String) -> Bool,
    _ progress: ConversionMonitor.Handler?
  ) throws(InputError) -> (source: ModelFile, layers: [QuantizedLayer]) {
    var result = self
    var layers: [QuantizedLayer] = []
    var others: [String] = []
    func isMatrix(_ tensor: ModelTensor) -> Bool {
      guard case .floats = tensor.content else { return false }
      return tensor.shape.count == 2 && tensor.name.hasSuffix(".weight")
    }
    let total = tensors.filter { isMatrix($0) && selects($0.name) }.reduce(0) { $0 + $1.byteCount }
    let monitor = ConversionMonitor(step: .reading, total: total, handler: progress)
    var done = 0
    for index in tensors.indices where isMatrix(tensors[index]) {
      let tensor = tensors[index]
      guard selects(tensor.name) else {
        if let layer = tensor.layerName, !layer.contains("embed") { others.append(layer) }
        continue
      }
      let start = done
      let layer = try QuantizedLayer(tensor, quantizer, groups: groups) {
        (count) throws(InputError) in try monitor.report(start + count)
      }
      done += tensor.byteCount
      layers.append(layer)
      result.tensors[index].content = .codes(layer.codes)
    }
    guard !layers.isEmpty else {
      throw InputError(
        .missing, source: path, found: "no float matrix to quantize",
        expected: "tensors [out, in] in .weight that are selected")
    }
    var quantization =
      result.quantization ?? HuggingFaceQuantization(linearClass: .autobitlinear)
    quantization.mode = .offline
    // Without a list, readers leave the head alone and nothing else.
    if others.contains(where: { $0 != "lm_head" }) { quantization.modulesToNotConvert = others }
    result.quantization = quantization
    return (result, layers)
  }
}
