import BitCore
import BitFiles

extension FileWriter {
  /// Writes floats, row-major and little-endian, as F32, F16, BF16 or F64; the 16-bit types round
  /// half to even.
  ///
  /// A ``SafetensorsEntry`` that streams calls it for some rows at a time:
  ///
  /// ```swift
  /// SafetensorsEntry("x", dtype: .f16, shape: shape) { (writer) throws(InputError) in
  ///   for row in 0..<shape[0] {
  ///     try writer.write(file.tensor("x", rows: row..<row + 1), as: .f16)
  ///   }
  /// }
  /// ```
  ///
  /// - Throws: ``InputError`` of kind `.mismatch` for another type, `.inputOutput` as
  ///   ``write(_:)-(UnsafeRawBufferPointer)`` does.
  package mutating func write(_ tensor: Tensor, as dtype: DType) throws(InputError) {
    try write(tensor, as: dtype, tensorNamed: nil)
  }

  mutating func write(
    _ tensor: Tensor, as dtype: DType, tensorNamed name: String?
  ) throws(InputError) {
    try tensor.withUnsafePointer { (start) throws(InputError) in
      let values = UnsafeBufferPointer(start: start, count: tensor.count)
      switch dtype {
      case .f32: try store(values, to: &self) { $0.bitPattern }
      case .f16: try store(values, to: &self) { HalfPrecision.f16($0) }
      case .bf16: try store(values, to: &self) { HalfPrecision.bf16($0) }
      case .f64: try store(values, to: &self) { Double($0).bitPattern }
      default:
        throw InputError(
          .mismatch, source: source + (name.map { ", tensor \(ErrorText.quoted($0))" } ?? ""),
          found: "floats to be written as \(dtype)", expected: "F32, F16, BF16 or F64")
      }
    }
  }
}

/// Writes elements as little-endian words, some thousands at a time.
@inline(__always)
func store<Value, Raw: FixedWidthInteger & BitwiseCopyable>(
  _ values: UnsafeBufferPointer<Value>, to writer: inout FileWriter, _ convert: (Value) -> Raw
) throws(InputError) {
  let piece = 1 << 14
  var words: [Raw] = []
  words.reserveCapacity(min(piece, values.count))
  for start in stride(from: 0, to: values.count, by: piece) {
    words.removeAll(keepingCapacity: true)
    for place in start..<min(start + piece, values.count) {
      words.append(convert(values[place]).littleEndian)
    }
    try words.withUnsafeBufferPointer { (words) throws(InputError) in
      try writer.write(UnsafeRawBufferPointer(words))
    }
  }
}
