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
  ///   - name: The tensor, of F32, F16, BF16, Q8_0, Q6_K or one of the types of
  ///     ``codedTensor(_:)``. A code 3 of two bits is +2 here.
  ///   - rows: Rows in `0..<tensor.rows`.
  /// - Throws: ``InputError`` that names file and tensor: `.missing` if there is no such tensor,
  ///   `.unsupported` if it has another type or the file declares rotated weights
  ///   (`prism.hadamard.*`), `.malformed` as ``codedTensor(_:)``.
  public func values(_ name: String, rows: Range<Int>) throws(InputError) -> [Float] {
    let entry = try info(of: name)
    precondition(
      rows.lowerBound >= 0 && rows.upperBound <= entry.rows, "rows \(rows) of \(entry.rows)")
    try checkIsNotRotated()
    if let format = try codeFormat(of: entry) {
      return CodedTensor.values(
        try codes(of: entry, format, rows: rows), columns: entry.columns,
        scaleKind: format.scaleKind)
    }
    guard let codec = GGUFNumberCodec(entry.type), let layout = entry.type.layout else {
      throw InputError(
        .unsupported, source: source(of: entry), found: entry.type.name,
        expected: "F32, F16, BF16, Q8_0, Q6_K or a type of ternary or sign codes")
    }
    let rowBytes = entry.columns / layout.blockLength * layout.blockBytes
    let start = entry.byteRange.lowerBound
    let range = start + rows.lowerBound * rowBytes..<start + rows.upperBound * rowBytes
    let count = rows.count * entry.columns
    return try withUnsafeBytes(in: range) { bytes in
      [Float](unsafeUninitializedCapacity: count) { values, initialized in
        if let start = values.baseAddress {
          for block in 0..<count / layout.blockLength {
            codec.decode(
              bytes, at: block * layout.blockBytes, to: start + block * layout.blockLength)
          }
        }
        initialized = count
      }
    }
  }
}

/// The types that are plain numbers: how a block becomes floats.
///
///     Q8_0   half d, 32 signed bytes q                                x = d * q
///     Q6_K   128 bytes of low 4 bits, 64 of high 2 bits, 16 signed    x = (d * scale) * (q - 32)
///            bytes of scales, half d
enum GGUFNumberCodec {
  case f32
  case f16
  case bf16
  case q8_0
  case q6_k

  init?(_ type: GGUFTensorType) {
    switch type {
    case .f32: self = .f32
    case .f16: self = .f16
    case .bf16: self = .bf16
    case .q8_0: self = .q8_0
    case .q6_k: self = .q6_k
    default: return nil
    }
  }

  func decode(
    _ bytes: UnsafeRawBufferPointer, at place: Int, to values: UnsafeMutablePointer<Float>
  ) {
    switch self {
    case .f32: values[0] = GGUFFile.float(bytes, at: place)
    case .f16: values[0] = GGUFFile.half(bytes, at: place)
    case .bf16:
      let bits = bytes.loadUnaligned(fromByteOffset: place, as: UInt16.self)
      values[0] = HalfPrecision.float(bf16: UInt16(littleEndian: bits))
    case .q8_0:
      let scale = GGUFFile.half(bytes, at: place)
      for index in 0..<32 {
        values[index] = scale * Float(Int8(bitPattern: bytes[place + 2 + index]))
      }
    case .q6_k: decodeQ6K(bytes, at: place, to: values)
    }
  }

  /// Of each half of the block, quarter k has its low bits in nibbles, which two quarters share, and
  /// its high bits in bits 2k and 2k + 1 of a byte, which all four share.
  private func decodeQ6K(
    _ bytes: UnsafeRawBufferPointer, at place: Int, to values: UnsafeMutablePointer<Float>
  ) {
    let scale = GGUFFile.half(bytes, at: place + 208)
    for half in 0..<2 {
      let (low, high, scales) = (place + 64 * half, place + 128 + 32 * half, place + 192 + 8 * half)
      for quarter in 0..<4 {
        for index in 0..<32 {
          let nibble = bytes[low + 32 * (quarter % 2) + index] >> (quarter < 2 ? 0 : 4) & 15
          let top = bytes[high + index] >> UInt8(2 * quarter) & 3
          let own = Int8(bitPattern: bytes[scales + 2 * quarter + index / 16])
          values[128 * half + 32 * quarter + index] =
            (scale * Float(own)) * Float(Int(nibble | top << 4) - 32)
        }
      }
    }
  }
}
