import BitCore
import BitFiles

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
  package let stream: @Sendable (inout FileWriter) throws(InputError) -> Void

  /// A tensor whose data `stream` gives piece by piece: row-major, little-endian, exactly as many
  /// bytes as `dtype` and `shape` say.
  package init(
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
  /// With another type, writing throws `InputError` of kind `.mismatch`.
  public init(_ name: String, _ tensor: Tensor, dtype: DType = .f32) {
    self.init(name, dtype: dtype, shape: tensor.shape.extents) { (writer) throws(InputError) in
      try writer.write(tensor, as: dtype, tensorNamed: name)
    }
  }

  /// A tensor of a file with the bytes that it has there, read piece by piece.
  ///
  /// - Throws: `InputError` of kind `.missing` if the file has no tensor of this name.
  public init(
    copying name: String, from file: SafetensorsFile, as newName: String? = nil
  ) throws(InputError) {
    let tensor = try file.info(of: name)
    self.init(newName ?? name, dtype: tensor.dtype, shape: tensor.shape) {
      (writer) throws(InputError) in
      // As much as the writer hands on without a copy of its own.
      let piece = 1 << 20
      for start in stride(from: 0, to: tensor.byteRange.count, by: piece) {
        let range = start..<min(start + piece, tensor.byteRange.count)
        try file.withUnsafeBytes(of: name) { (bytes) throws(InputError) in
          try writer.write(UnsafeRawBufferPointer(rebasing: bytes[range]))
        }
        file.releasePages(range, of: tensor)
      }
    }
  }

  /// A tensor of integers as I8, U8, I16, U16, I32, U32, I64, U64 or BOOL (0 and 1).
  ///
  /// With another type, or with a value that the type does not have, writing throws `InputError`
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
