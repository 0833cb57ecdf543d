import CBitKernels

/// A matrix of weights that are no codes of BitLinear: floats, or numbers of 4, 6 or 8 bits in
/// blocks, as files have them. It is used straight from the bytes of the file.
package struct WeightMatrix: @unchecked Sendable {
  /// Output features.
  package let rows: Int
  /// Input features.
  package let columns: Int
  package let type: WeightType

  /// The rows, one after the other, at any alignment. Nobody writes to them, hence @unchecked
  /// Sendable.
  private let bytes: UnsafePointer<UInt8>?
  /// Keeps the bytes where they are.
  private let owner: any AnyObject & Sendable

  /// A matrix of bytes in memory that is not copied.
  ///
  /// - Parameters:
  ///   - bytes: the rows, one after the other, of whole blocks each.
  ///   - type: how the numbers are stored.
  ///   - rows: the output features.
  ///   - columns: the input features.
  ///   - owner: what keeps the memory as it is, as long as it lives.
  ///   - source: what errors name as their source.
  /// - Throws: ``InputError`` of kind `.mismatch` if the bytes do not fit these extents.
  package init(
    borrowing bytes: UnsafeRawBufferPointer, _ type: WeightType, rows: Int, columns: Int,
    owner: any AnyObject & Sendable, source: String
  ) throws(InputError) {
    let blocks = columns / type.blockLength
    let (rowBytes, rowOverflows) = blocks.multipliedReportingOverflow(by: type.blockBytes)
    let (expected, overflows) = rowBytes.multipliedReportingOverflow(by: rows)
    guard rows >= 0, columns >= 0, columns.isMultiple(of: type.blockLength), !rowOverflows,
      !overflows, bytes.count == expected
    else {
      throw InputError(
        .mismatch, source: source, found: "\(bytes.count) bytes",
        expected: "\(rows) x \(columns) weights, \(type.blockBytes) bytes for each "
          + "\(type.blockLength) of a row")
    }
    self.init(bytes, type, rows: rows, columns: columns, owner: owner)
  }

  /// A matrix of bytes in a buffer, as ``init(borrowing:_:rows:columns:owner:source:)``.
  package init(
    _ buffer: AlignedBuffer<UInt8>, _ type: WeightType, rows: Int, columns: Int, source: String
  ) throws(InputError) {
    try self.init(
      borrowing: UnsafeRawBufferPointer(buffer.elements), type, rows: rows, columns: columns,
      owner: buffer, source: source)
  }

  /// A copy of a tensor `[rows, columns]`.
  package init(_ tensor: Tensor) {
    precondition(tensor.shape.rank == 2, "a tensor of shape \(tensor.shape) is no matrix")
    let copy = AlignedBuffer<Float>(uninitialized: tensor.count, for: .weights)
    copy.pointer.update(from: tensor.pointer, count: tensor.count)
    self.init(
      UnsafeRawBufferPointer(copy.elements), .float32, rows: tensor.shape[0],
      columns: tensor.shape[1], owner: copy)
    withExtendedLifetime(tensor) {}
  }

  private init(
    _ bytes: UnsafeRawBufferPointer, _ type: WeightType, rows: Int, columns: Int,
    owner: any AnyObject & Sendable
  ) {
    (self.type, self.rows, self.columns, self.owner) = (type, rows, columns, owner)
    self.bytes = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
  }

  /// The bytes of a row.
  package var rowBytes: Int { columns / type.blockLength * type.blockBytes }

  /// The bytes of all weights.
  package var byteCount: Int { rows * rowBytes }

  /// The matrix as kernels see it, for a caller that keeps this one alive.
  var kernelWeights: bk_weights {
    bk_weights(type: type.kernelType, rows: rows, columns: columns, bytes: bytes)
  }

  /// The weights of some rows, row by row.
  package func values(ofRows rows: Range<Int>) -> [Float] {
    [Float](unsafeUninitializedCapacity: rows.count * columns) { values, count in
      if let start = values.baseAddress, rows.count * columns > 0 {
        writeValues(ofRows: rows, to: start)
      }
      count = rows.count * columns
    }
  }

  /// Writes the weights of some rows, row by row.
  package func writeValues(
    ofRows rows: Range<Int>, to values: UnsafeMutablePointer<Float>, kernels: KernelSet = .active
  ) {
    precondition(
      rows.lowerBound >= 0 && rows.upperBound <= self.rows, "rows \(rows) of \(self.rows)")
    guard columns > 0 else { return }
    var weights = kernelWeights
    bk_weight_values(
      kernels.table, &weights, bk_range(first: rows.lowerBound, end: rows.upperBound), values)
    // The kernels' matrix points into this one.
    withExtendedLifetime(self) {}
  }
}
