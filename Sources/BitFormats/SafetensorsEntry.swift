/// A tensor to be written to a safetensors file.
///
/// Whether its data has the right size is found out when it is written.
public struct SafetensorsEntry: Sendable {
  /// The name, any text but `__metadata__`.
  public let name: String
  /// The element type in the file.
  public let dtype: DType
  /// The extents, outermost first; none for a scalar.
  public let shape: [Int]
  /// Gives the data to the writer: row-major, little-endian.
  let stream: @Sendable (inout FileWriter) throws(InputError) -> Void

  /// A tensor whose data `stream` gives piece by piece: row-major, little-endian, exactly as many
  /// bytes as `dtype` and `shape` say.
  public init(
    _ name: String, dtype: DType, shape: [Int],
    stream: @escaping @Sendable (inout FileWriter) throws(InputError) -> Void
  ) {
    self.name = name
    self.dtype = dtype
    self.shape = shape
    self.stream = stream
  }

  /// A tensor of the given bytes: row-major, little-endian.
  public init(_ name: String, dtype: DType, shape: [Int], bytes: [UInt8]) {
    self.init(name, dtype: dtype, shape: shape) { (writer) throws(InputError) in
      try writer.write(bytes)
    }
  }

  /// A tensor of floats as F32, F16, BF16 or F64; the 16-bit types round half to even.
  ///
  /// With another type, writing throws ``InputError`` of kind `.mismatch`.
  public init(_ name: String, _ tensor: Tensor, dtype: DType = .f32) {
    self.init(name, dtype: dtype, shape: tensor.shape.extents) { (writer) throws(InputError) in
      try tensor.withUnsafePointer { (start) throws(InputError) in
        let values = UnsafeBufferPointer(start: start, count: tensor.count)
        switch dtype {
        case .f32: try store(values, to: &writer) { $0.bitPattern }
        case .f16: try store(values, to: &writer) { HalfPrecision.f16($0) }
        case .bf16: try store(values, to: &writer) { HalfPrecision.bf16($0) }
        case .f64: try store(values, to: &writer) { Double($0).bitPattern }
        default:
          throw InputError(
            .mismatch, source: "\(writer.source), tensor \(ErrorText.quoted(name))",
            found: "floats to be written as \(dtype)", expected: "F32, F16, BF16 or F64")
        }
      }
    }
  }

  /// A tensor of integers as I8, U8, I16, U16, I32, U32, I64, U64 or BOOL (0 and 1).
  ///
  /// With another type, or with a value that the type does not have, writing throws ``InputError``
  /// of kind `.mismatch`.
  public init(_ name: String, _ values: [Int64], shape: [Int], dtype: DType) {
    self.init(name, dtype: dtype, shape: shape) { (writer) throws(InputError) in
      let source = "\(writer.source), tensor \(ErrorText.quoted(name))"
      let range: ClosedRange<Int64>
      switch dtype {
      case .bool: range = 0...1
      case .u8: range = 0...255
      case .i8: range = -128...127
      case .u16: range = 0...65_535
      case .i16: range = -32_768...32_767
      case .u32: range = 0...4_294_967_295
      case .i32: range = -2_147_483_648...2_147_483_647
      case .i64: range = .min ... .max
      case .u64: range = 0 ... .max
      default:
        throw InputError(
          .mismatch, source: source, found: "integers to be written as \(dtype)",
          expected: "an integer type or BOOL")
      }
      if let place = values.firstIndex(where: { !range.contains($0) }) {
        throw InputError(
          .mismatch, source: source, found: "\(values[place]) as element \(place)",
          expected: "\(range.lowerBound) to \(range.upperBound) for \(dtype)")
      }
      try values.withUnsafeBufferPointer { (values) throws(InputError) in
        switch dtype.bitsPerElement {
        case 8: try store(values, to: &writer) { UInt8(truncatingIfNeeded: $0) }
        case 16: try store(values, to: &writer) { UInt16(truncatingIfNeeded: $0) }
        case 32: try store(values, to: &writer) { UInt32(truncatingIfNeeded: $0) }
        default: try store(values, to: &writer) { UInt64(bitPattern: $0) }
        }
      }
    }
  }
}

/// Writes elements as little-endian words, some thousands at a time.
@inline(__always)
private func store<Value, Raw: FixedWidthInteger & BitwiseCopyable>(
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
