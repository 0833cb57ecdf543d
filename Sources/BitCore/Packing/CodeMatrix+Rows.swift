import CBitKernels

extension CodeMatrix {
  /// The number of bytes of a row in ``packedRows``.
  public static func rowBytes(columns: Int, alphabet: WeightAlphabet) -> Int {
    let codesInByte = alphabet.defaultFormat.codesPerByte
    return (columns + codesInByte - 1) / codesInByte
  }

  /// The codes row by row, in the same layout for every format: 2 bits per ternary code (code + 1)
  /// or 1 bit per sign code (1 for +1), the first column in the lowest bits. Every row begins with a
  /// new byte; unused bits are zero.
  public var packedRows: [UInt8] {
    let bytes = extents.byteCount(.rows)
    return [UInt8](unsafeUninitializedCapacity: bytes) { target, count in
      if let target = target.baseAddress { copyCodes(as: .rows, to: target) }
      count = bytes
    }
  }

  /// Copies the codes in a layout, packed to the alphabet's default format.
  package func copyCodes(as layout: CodeLayout, to target: UnsafeMutablePointer<UInt8>) {
    // Strips of another format hold these codes in another order.
    guard format == alphabet.defaultFormat else {
      return packed(as: alphabet.defaultFormat).copyCodes(as: layout, to: target)
    }
    codeBuffer.withUnsafeMutablePointer {
      extents.convert($0, from: CodeLayout(self.layout), to: layout, target)
    }
  }

  private var extents: CodeExtents {
    CodeExtents(rows: rows, columns: columns, alphabet: alphabet)
  }

  /// A matrix from the bytes of ``packedRows``.
  ///
  /// - Parameters:
  ///   - bytes: the rows of bytes, one after the other.
  ///   - rows: the output features.
  ///   - columns: the input features.
  ///   - alphabet: the values that the codes can take.
  ///   - scales: the factors of the codes.
  ///   - format: how to pack the codes; nil for the alphabet's default.
  ///   - source: what errors name as their source.
  /// - Throws: ``InputError`` for a number of bytes that does not fit, a ternary code 3, or unused
  ///   bits that are not zero.
  public init(
    packedRows bytes: [UInt8], rows: Int, columns: Int, alphabet: WeightAlphabet,
    scales: WeightScales, format: PackedFormat? = nil, source: String
  ) throws(InputError) {
    let rowBytes = Self.rowBytes(columns: max(0, columns), alphabet: alphabet)
    guard rows >= 0, columns >= 0, bytes.count == rows * rowBytes else {
      throw InputError(
        .mismatch, source: source, found: "\(bytes.count) bytes of codes",
        expected: "\(rows * rowBytes) for \(rows) x \(columns)")
    }
    let checkedFormat: PackedFormat
    do {
      try Self.check(columns: columns)
      try scales.check(rows: rows, columns: columns)
      checkedFormat = try alphabet.checkedFormat(format)
    } catch {
      throw error.inside(source)
    }
    let matrix = CodeMatrix(
      rows: rows, columns: columns, alphabet: alphabet, format: alphabet.defaultFormat,
      scales: scales)
    try bytes.withUnsafeBufferPointer { (bytes) throws(InputError) in
      guard let bytes = bytes.baseAddress else { return }
      let extents = matrix.extents
      try extents.check(rows: bytes, source: source)
      matrix.codeBuffer.withUnsafeMutablePointer {
        extents.convert(bytes, from: .rows, to: CodeLayout(matrix.layout), $0)
      }
    }
    self = matrix.packed(as: checkedFormat)
  }

  /// A matrix over somebody else's codes, which are not copied, not checked and not written to, and
  /// must outlive all copies of the matrix.
  ///
  /// - Parameters:
  ///   - codes: codes of the alphabet's default format in the layout ``CodeLayout/native(_:kernels:)``
  ///     of the kernels. Any alignment will do, but lines of 64 bytes are read fastest from
  ///     multiples of 64.
  ///   - rows: the output features.
  ///   - columns: the input features.
  ///   - alphabet: the values that the codes can take.
  ///   - scales: the factors of the codes.
  /// - Throws: ``InputError`` for extents that do not fit the scales, or for too many columns.
  package init(
    borrowing codes: UnsafePointer<UInt8>, rows: Int, columns: Int, alphabet: WeightAlphabet,
    scales: WeightScales, kernels: KernelSet = .active
  ) throws(InputError) {
    try Self.check(columns: columns)
    try scales.check(rows: rows, columns: columns)
    let extents = CodeExtents(rows: rows, columns: columns, alphabet: alphabet)
    let layout = CodeLayout.native(alphabet, kernels: kernels)
    self.init(
      rows: rows, columns: columns, alphabet: alphabet, format: alphabet.defaultFormat,
      scales: scales, kernels: kernels,
      codeBuffer: AlignedBuffer(borrowing: codes, count: extents.byteCount(layout)))
  }
}
