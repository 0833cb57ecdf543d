import BitCore
import BitFiles

/// The 2-bit packing of ternary weights in Hugging Face checkpoints of BitNet models.
///
/// A matrix `[rows, columns]` is cut into four bands of R = rows / 4 rows, which share R rows of
/// bytes: of the byte `[r, c]`, bits 2i and 2i + 1 hold code + 1 of row `i * R + r`, column `c`.
/// The value 3 stands for nothing.
///
/// transformers packs other numbers of rows too, but fills the last band with -1 rows, which its
/// own layers cannot load; here they are errors.
package struct HuggingFacePacking: Sendable, Hashable {
  /// Rows of codes, a multiple of 4: the output features.
  package let rows: Int
  /// Columns of codes and of bytes: the input features.
  package let columns: Int

  /// Rows of bytes.
  package var packedRows: Int { rows / 4 }

  /// The packing of a matrix of codes.
  ///
  /// - Throws: `InputError` of kind `.unsupported` if `rows` is no multiple of 4, `.mismatch` if
  ///   an extent is negative or the number of codes does not fit into an Int; its source is
  ///   `source`.
  package init(rows: Int, columns: Int, source: String) throws(InputError) {
    guard rows >= 0, columns >= 0, !rows.multipliedReportingOverflow(by: columns).overflow else {
      throw InputError(
        .mismatch, source: source, found: "\(rows) x \(columns) codes",
        expected: "extents whose product fits")
    }
    guard rows.isMultiple(of: 4) else {
      throw InputError(
        .unsupported, source: source, found: "\(rows) rows of ternary weights",
        expected: "a multiple of 4, of which Hugging Face's packing makes \((rows + 3) / 4) rows "
          + "of bytes")
    }
    self.rows = rows
    self.columns = columns
  }

  /// The packing of a tensor of a file.
  ///
  /// - Parameters:
  ///   - name: a U8 tensor `[rows / 4, columns]`.
  ///   - file: the file.
  ///   - rows: the rows of codes that the model's configuration or bias asks for, if known.
  /// - Throws: `InputError` that names file and tensor: `.missing` if there is no such tensor,
  ///   `.mismatch` if it is no U8 matrix or has other rows, `.unsupported` if `rows` is no
  ///   multiple of 4.
  package init(
    of name: String, in file: SafetensorsFile, rows: Int? = nil
  ) throws(InputError) {
    let tensor = try file.info(of: name)
    let source = file.source(of: tensor)
    guard tensor.dtype == .u8, tensor.shape.count == 2 else {
      throw InputError(
        .mismatch, source: source, found: "\(tensor.dtype) \(ErrorText.list(tensor.shape))",
        expected: "packed weights, U8 [out / 4, in]")
    }
    let (packed, overflows) = tensor.shape[0].multipliedReportingOverflow(by: 4)
    try self.init(
      rows: rows ?? (overflows ? .max : packed), columns: tensor.shape[1], source: source)
    guard packedRows == tensor.shape[0] else {
      throw InputError(
        .mismatch, source: source, found: "\(tensor.shape[0]) rows of bytes",
        expected: "\(packedRows) for \(self.rows) rows of ternary weights")
    }
  }

  /// The codes of some rows, row-major: -1, 0, +1.
  ///
  /// - Parameters:
  ///   - range: rows of codes, in 0..<``rows``.
  ///   - bytes: the whole packed tensor, ``packedRows`` x ``columns`` bytes; only the rows of
  ///     bytes that are needed are read.
  ///   - source: the name of the tensor for errors.
  /// - Throws: `InputError`: `.malformed` for the value 3, naming row and column; `.mismatch`
  ///   for another number of bytes, or rows out of range.
  package func unpack(
    rows range: Range<Int>, from bytes: UnsafeRawBufferPointer, source: String
  ) throws(InputError) -> [Int8] {
    guard bytes.count == packedRows * columns, range.lowerBound >= 0, range.upperBound <= rows
    else {
      throw InputError(
        .mismatch, source: source,
        found: "rows \(range.lowerBound)..<\(range.upperBound) of \(bytes.count) bytes",
        expected: "rows in 0..<\(rows) of \(packedRows * columns) bytes")
    }
    var bad: Int?
    let codes = [Int8](unsafeUninitializedCapacity: range.count * columns) { codes, count in
      for (place, row) in range.enumerated() {
        let shift = UInt8(row / packedRows * 2)
        let source = UnsafeRawBufferPointer(
          rebasing: bytes[row % packedRows * columns..<(row % packedRows + 1) * columns])
        let target = UnsafeMutableBufferPointer(
          rebasing: codes[place * columns..<(place + 1) * columns])
        // The largest value shows whether there was a 3, without a branch for each code.
        var largest: UInt8 = 0
        for column in 0..<columns {
          let value = source[column] &>> shift & 3
          largest = max(largest, value)
          target[column] = Int8(bitPattern: value &- 1)
        }
        if largest == 3 {
          bad = row
          break
        }
      }
      count = bad == nil ? range.count * columns : 0
    }
    guard let row = bad else { return codes }
    let shift = UInt8(row / packedRows * 2)
    let start = row % packedRows * columns
    let column: Int = (0..<columns).first { bytes[start + $0] >> shift & 3 == 3 } ?? 0
    throw InputError(
      .malformed, source: source, found: "code 3 in row \(row), column \(column)",
      expected: "codes 0, 1, 2 for -1, 0, +1")
  }

  /// The bytes of some packed rows, row-major.
  ///
  /// - Parameters:
  ///   - range: rows of bytes, in 0..<``packedRows``.
  ///   - source: the name of the tensor for errors.
  ///   - codes: gives the codes of rows, row-major; it is called for the four bands.
  /// - Throws: `InputError`: `.malformed` for a code other than -1, 0 and +1, naming row and
  ///   column; `.mismatch` for packed rows out of range or another number of codes; and
  ///   what `codes` throws.
  package func pack(
    packedRows range: Range<Int>, source: String,
    codes: (_ rows: Range<Int>) throws(InputError) -> [Int8]
  ) throws(InputError) -> [UInt8] {
    guard range.lowerBound >= 0, range.upperBound <= packedRows else {
      throw InputError(
        .mismatch, source: source,
        found: "packed rows \(range.lowerBound)..<\(range.upperBound)",
        expected: "rows in 0..<\(packedRows)")
    }
    var bytes = [UInt8](repeating: 0, count: range.count * columns)
    for band in 0..<4 {
      let first = band * packedRows + range.lowerBound
      let codes = try codes(first..<first + range.count)
      guard codes.count == bytes.count else {
        throw InputError(
          .mismatch, source: source, found: "\(codes.count) codes",
          expected: "\(range.count) rows of \(columns)")
      }
      let shift = UInt8(2 * band)
      var largest: UInt8 = 0
      codes.withUnsafeBufferPointer { codes in
        bytes.withUnsafeMutableBufferPointer { bytes in
          let bytes = bytes
          for place in bytes.indices {
            let value = UInt8(bitPattern: codes[place] &+ 1)
            largest = max(largest, value)
            bytes[place] |= value &<< shift
          }
        }
      }
      if largest > 2, let place = codes.firstIndex(where: { !(-1...1).contains($0) }) {
        throw InputError(
          .malformed, source: source,
          found: "code \(codes[place]) in row \(first + place / columns), "
            + "column \(place % columns)",
          expected: "-1, 0 or +1")
      }
    }
    return bytes
  }
}
