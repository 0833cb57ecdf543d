import BitCore
import BitFiles

extension SafetensorsFile {
  /// A tensor of F32, F16, BF16 or F64 as float32.
  ///
  /// F16 and BF16 are converted exactly; F64 is rounded half to even, and becomes an infinity
  /// beyond the range of float32.
  ///
  /// - Throws: `InputError` that names file and tensor: `.missing` if there is no such tensor,
  ///   `.mismatch` if it has another element type.
  public func tensor(_ name: String) throws(InputError) -> Tensor {
    let entry = try info(of: name)
    let numbers = try floats(of: entry)
    return try withUnsafeBytes(of: name) { bytes in
      Tensor.build(Shape(entry.shape)) { numbers.floats(bytes, to: $0) }
    }
  }

  /// Some rows of a tensor of F32, F16, BF16 or F64 as float32, `[rows.count, ...]`: what the
  /// first axis counts is a row. A tensor that is larger than the memory is read part by part.
  ///
  /// - Throws: `InputError` as ``tensor(_:)`` does; `.mismatch` for rows that the tensor does
  ///   not have.
  public func tensor(_ name: String, rows: Range<Int>) throws(InputError) -> Tensor {
    let entry = try info(of: name)
    let numbers = try floats(of: entry)
    return try withUnsafeBytes(of: name, rows: rows) { bytes in
      Tensor.build(Shape([rows.count] + entry.shape.dropFirst())) { numbers.floats(bytes, to: $0) }
    }
  }

  /// Calls `body` with the data of some rows of a tensor, as ``withUnsafeBytes(of:_:)`` does.
  ///
  /// - Throws: `InputError` of kind `.missing` if there is no such tensor, `.mismatch` if it does
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

  private func floats(of entry: SafetensorsTensorInfo) throws(InputError) -> PlainNumbers {
    guard let numbers = PlainNumbers(entry.dtype), numbers.isFloat else {
      throw InputError(
        .mismatch, source: source(of: entry), found: entry.dtype.rawValue,
        expected: "F32, F16, BF16 or F64")
    }
    return numbers
  }

  /// The elements of an integer tensor in row-major order; any byte but 0 of a BOOL is 1.
  ///
  /// - Throws: `InputError` that names file and tensor: `.missing` if there is no such tensor,
  ///   `.mismatch` if it has another element type than I8, U8, I16, U16, I32, U32, I64, U64 or
  ///   BOOL, `.unsupported` if a U64 is too large for Int64.
  public func integers(_ name: String) throws(InputError) -> [Int64] {
    let entry = try info(of: name)
    let values = try withUnsafeBytes(of: name) { PlainNumbers(entry.dtype)?.integers($0) }
    guard let values else {
      throw InputError(
        .mismatch, source: source(of: entry), found: entry.dtype.rawValue,
        expected: "an integer type or BOOL")
    }
    if entry.dtype == .u64, let index = values.firstIndex(where: { $0 < 0 }) {
      throw InputError(
        .unsupported, source: source(of: entry),
        found: "\(UInt64(bitPattern: values[index])) as element \(index)",
        expected: "at most \(Int64.max)")
    }
    return values
  }
}
