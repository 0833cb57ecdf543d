import BitCore

extension GGUFFile {
  /// A whole tensor as floats, in the order of PyTorch; see ``values(_:rows:)``.
  public func tensor(_ name: String) throws(InputError) -> Tensor {
    let entry = try info(of: name)
    return Tensor(try values(name, rows: 0..<entry.rows)).reshaped(Shape(entry.shape))
  }

  /// Rows of a tensor as floats, which are exact: products of a code and a scale are as ggml
  /// computes them.
  ///
  /// - Parameters:
  ///   - name: The tensor, of F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q6_K or one of the types of
  ///     ``codedTensor(_:)``. A code 3 of two bits is +2 here.
  ///   - rows: Rows in `0..<tensor.rows`.
  /// - Throws: `InputError` that names file and tensor: `.missing` if there is no such tensor,
  ///   `.unsupported` if it has another type or the file declares rotated weights
  ///   (`prism.hadamard.*`), `.malformed` as ``codedTensor(_:)``.
  public func values(_ name: String, rows: Range<Int>) throws(InputError) -> [Float] {
    let entry = try info(of: name)
    precondition(
      rows.lowerBound >= 0 && rows.upperBound <= entry.rows, "rows \(rows) of \(entry.rows)")
    try checkIsNotRotated()
    if let format = try codeFormat(of: entry) {
      let read = try codes(of: entry, format, rows: rows)
      let layout = ScaleLayout(format.scaleKind, rows: entry.rows, columns: entry.columns)
      return CodedRows(rows, codes: read.codes, scales: read.scales, layout: layout).values
    }
    guard let codec = GGUFNumberCodec(entry.type), let layout = entry.type.layout else {
      throw InputError(
        .unsupported, source: source(of: entry), found: entry.type.name,
        expected: "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q6_K or a type of ternary or sign codes")
    }
    let rowBytes = entry.columns / layout.blockLength * layout.blockBytes
    let start = entry.byteRange.lowerBound
    let range = start + rows.lowerBound * rowBytes..<start + rows.upperBound * rowBytes
    let count = rows.count * entry.columns
    return try withUnsafeBytes(in: range) { bytes in
      [Float](unsafeUninitializedCapacity: count) { values, initialized in
        if let start = values.baseAddress { codec.decode(bytes, count, to: start) }
        initialized = count
      }
    }
  }
}
