import BitCore
import BitFormats

/// Ternary or sign weights that are stored as floats: in each block of a row all are d, -d or 0
/// ("unpacked" models). They are packed again without loss.
enum BlockFloats {
  /// The lengths of blocks to try: the longest that fits reads the fewest scales.
  private static let lengths = WeightScales.blockLengths.sorted(by: >)

  /// The codes and scales of a tensor; nil if it holds other floats.
  static func codes(of tensor: ModelTensor) throws(InputError) -> CodedTensor? {
    // A few rows tell the length, all rows must then agree with it.
    let sample = try tensor.values(0..<min(8, tensor.rows))
    for length in lengths where scales(sample, columns: tensor.columns, length) != nil {
      if let codes = try codes(of: tensor, length: length) { return codes }
    }
    return nil
  }

  private static func codes(
    of tensor: ModelTensor, length: Int
  ) throws(InputError) -> CodedTensor? {
    let (rows, columns) = (tensor.rows, tensor.columns)
    var blockScales: [Float] = []
    var hasZeros = false
    for first in stride(from: 0, to: rows, by: tensor.pieceRows) {
      let values = try tensor.values(first..<min(rows, first + tensor.pieceRows))
      guard let scales = scales(values, columns: columns, length) else { return nil }
      blockScales += scales
      hasZeros = hasZeros || values.contains(0)
    }
    let layout = ScaleLayout(.block(columns: length), rows: rows, columns: columns)
    return CodedTensor(
      source: tensor.source, alphabet: hasZeros ? .ternary : .sign, layout: layout,
      readScales: { [blockScales] in Array(blockScales[layout.indices(rows: $0)]) }
    ) { [blockScales] (range) throws(InputError) in
      let codes = try tensor.values(range).map { $0 > 0 ? 1 : $0 < 0 ? -1 : 0 as Int8 }
      return (codes, Array(blockScales[layout.indices(rows: range)]))
    }
  }

  /// The magnitude in each block of some rows; nil if a block has several, or one that is not
  /// finite.
  private static func scales(_ values: [Float], columns: Int, _ length: Int) -> [Float]? {
    guard columns > 0 else { return nil }
    var scales: [Float] = []
    for row in stride(from: 0, to: values.count, by: columns) {
      for start in stride(from: 0, to: columns, by: length) {
        var scale: Float = 0
        for value in values[row + start..<row + min(columns, start + length)] where value != 0 {
          guard value.isFinite, scale == 0 || scale == value.magnitude else { return nil }
          scale = value.magnitude
        }
        scales.append(scale)
      }
    }
    return scales
  }
}
