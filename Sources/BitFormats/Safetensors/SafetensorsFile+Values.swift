import BitCore
import BitFiles

extension SafetensorsFile {
  /// A tensor of F32, F16, BF16 or F64 as float32.
  ///
  /// F16 and BF16 are converted exactly; F64 is rounded half to even, and becomes an infinity
  /// beyond the range of float32.
  ///
  /// - Throws: ``InputError`` that names file and tensor: `.missing` if there is no such tensor,
  ///   `.mismatch` if it has another element type.
  public func tensor(_ name: String) throws(InputError) -> Tensor {
    let entry = try info(of: name)
    let convert = try floatConversion(of: entry)
    return try withUnsafeBytes(of: name) { bytes in
      Tensor.build(Shape(entry.shape)) { convert(bytes, $0) }
    }
  }

  /// Some rows of a tensor of F32, F16, BF16 or F64 as float32, `[rows.count, ...]`: what the
  /// first axis counts is a row. A tensor that is larger than the memory is read part by part.
  ///
  /// - Throws: ``InputError`` as ``tensor(_:)`` does; `.mismatch` for rows that the tensor does
  ///   not have.
  public func tensor(_ name: String, rows: Range<Int>) throws(InputError) -> Tensor {
    let entry = try info(of: name)
    let convert = try floatConversion(of: entry)
    return try withUnsafeBytes(of: name, rows: rows) { bytes in
      Tensor.build(Shape([rows.count] + entry.shape.dropFirst())) { convert(bytes, $0) }
    }
  }

  /// Calls `body` with the data of some rows of a tensor, as ``withUnsafeBytes(of:_:)`` does.
  ///
  /// - Throws: ``InputError`` of kind `.missing` if there is no such tensor, `.mismatch` if it does
  ///   not have these rows or if they do not begin and end at whole bytes; and what `body` throws.
  public func withUnsafeBytes<R>(
    of name: String, rows: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(InputError) -> R
  ) throws(InputError) -> R {
    let entry = try info(of: name)
    guard let count = entry.shape.first, rows.lowerBound >= 0, rows.upperBound <= count else {
      throw InputError(
        .mismatch, source: source(of: entry),
        found: "rows \(rows.lowerBound)..<\(rows.upperBound) of \(ErrorText.list(entry.shape))",
        expected: entry.shape.first.map { "rows in 0..<\($0)" } ?? "a tensor with rows")
    }
    // From the checked size, because the product of the other extents could be anything if there
    // are no rows.
    let size = entry.byteRange.count
    guard count == 0 || size.isMultiple(of: count) else {
      throw InputError(
        .mismatch, source: source(of: entry),
        found: "\(entry.dtype) of shape \(ErrorText.list(entry.shape))",
        expected: "rows of whole bytes")
    }
    let rowBytes = count == 0 ? 0 : size / count
    return try withUnsafeBytes(of: name) { (bytes) throws(InputError) in
      let range = rows.lowerBound * rowBytes..<rows.upperBound * rowBytes
      return try body(UnsafeRawBufferPointer(rebasing: bytes[range]))
    }
  }

  /// What turns the data of a float tensor into float32.
  private func floatConversion(
    of entry: SafetensorsTensorInfo
  ) throws(InputError) -> (UnsafeRawBufferPointer, UnsafeMutablePointer<Float>) -> Void {
    guard let convert = entry.dtype.floatConversion else {
      throw InputError(
        .mismatch, source: source(of: entry), found: entry.dtype.rawValue,
        expected: "F32, F16, BF16 or F64")
    }
    return convert
  }

  /// The elements of an integer tensor in row-major order; any byte but 0 of a BOOL is 1.
  ///
  /// - Throws: ``InputError`` that names file and tensor: `.missing` if there is no such tensor,
  ///   `.mismatch` if it has another element type than I8, U8, I16, U16, I32, U32, I64, U64 or
  ///   BOOL, `.unsupported` if a U64 is too large for Int64.
  public func integers(_ name: String) throws(InputError) -> [Int64] {
    let entry = try info(of: name)
    return try withUnsafeBytes(of: name) { (bytes) throws(InputError) in
      switch entry.dtype {
      case .bool: return load(bytes, UInt8.self) { $0 == 0 ? 0 : 1 }
      case .u8: return load(bytes, UInt8.self) { Int64($0) }
      case .i8: return load(bytes, Int8.self) { Int64($0) }
      case .u16: return load(bytes, UInt16.self) { Int64($0) }
      case .i16: return load(bytes, Int16.self) { Int64($0) }
      case .u32: return load(bytes, UInt32.self) { Int64($0) }
      case .i32: return load(bytes, Int32.self) { Int64($0) }
      case .i64: return load(bytes, Int64.self) { $0 }
      case .u64:
        let values = load(bytes, Int64.self) { $0 }
        if let place = values.firstIndex(where: { $0 < 0 }) {
          throw InputError(
            .unsupported, source: source(of: entry),
            found: "\(UInt64(bitPattern: values[place])) as element \(place)",
            expected: "at most \(Int64.max)")
        }
        return values
      default:
        throw InputError(
          .mismatch, source: source(of: entry), found: entry.dtype.rawValue,
          expected: "an integer type or BOOL")
      }
    }
  }
}

extension DType {
  /// What turns elements, little-endian at any alignment, into float32: exactly but for F64, which
  /// is rounded half to even. Nil for other types than F32, F16, BF16 and F64.
  var floatConversion: ((UnsafeRawBufferPointer, UnsafeMutablePointer<Float>) -> Void)? {
    switch self {
    case .f32: { load($0, UInt32.self, to: $1) { Float(bitPattern: $0) } }
    case .f16: { load($0, UInt16.self, to: $1) { HalfPrecision.float(f16: $0) } }
    case .bf16: { load($0, UInt16.self, to: $1) { HalfPrecision.float(bf16: $0) } }
    case .f64: { load($0, UInt64.self, to: $1) { Float(Double(bitPattern: $0)) } }
    default: nil
    }
  }
}

/// Converts little-endian elements at any alignment.
@inline(__always)
private func load<Raw: FixedWidthInteger & BitwiseCopyable, Value>(
  _ bytes: UnsafeRawBufferPointer, _: Raw.Type, to values: UnsafeMutablePointer<Value>,
  _ convert: (Raw) -> Value
) {
  guard let start = bytes.baseAddress else { return }
  let width = MemoryLayout<Raw>.size
  for place in 0..<bytes.count / width {
    let raw = start.loadUnaligned(fromByteOffset: place * width, as: Raw.self)
    values[place] = convert(Raw(littleEndian: raw))
  }
}

@inline(__always)
private func load<Raw: FixedWidthInteger & BitwiseCopyable>(
  _ bytes: UnsafeRawBufferPointer, _ raw: Raw.Type, _ convert: (Raw) -> Int64
) -> [Int64] {
  let count = bytes.count / MemoryLayout<Raw>.size
  return Array(unsafeUninitializedCapacity: count) { values, initialized in
    if let start = values.baseAddress { load(bytes, raw, to: start, convert) }
    initialized = count
  }
}
