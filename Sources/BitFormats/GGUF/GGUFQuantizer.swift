import BitCore

/// Turns floats into the types that GGUF files are written with, by the rules of ggml.
///
///     F32           as they are
///     F16, BF16     rounded half to even
///     Q8_0          d = max|x| / 127, code = round(x * (1 / d))
///     TQ1_0, TQ2_0, d = max|x|, code = round(x * (1 / d)): at half of the greatest and more, not 0
///     Q2_0, PQ2_0
///     Q1_0          d = mean|x|, code = +1 for x >= 0, else -1
///
/// where d is stored as a half but divides as a float, and round is half away from zero, unlike
/// everywhere else in this library. I2_S has no rule of its own here: the values must be ternary
/// already, 0 and plus or minus one number.
struct GGUFQuantizer {
  let type: GGUFTensorType
  let i2sLayout: I2SLayout
  let source: String

  /// The bytes of rows of `columns` floats.
  func bytes(
    _ values: UnsafeBufferPointer<Float>, columns: Int, firstRow: Int
  ) throws(InputError) -> [UInt8] {
    let count = try type.byteCount(of: [values.count], source: source) ?? 0
    switch type {
    case .f32: return elements(values, count) { $0.bitPattern }
    case .f16: return elements(values, count) { HalfPrecision.f16($0) }
    case .bf16: return elements(values, count) { HalfPrecision.bf16($0) }
    default: break
    }
    let blockTypes: [GGUFTensorType] = [.q8_0, .tq1_0, .tq2_0, .q1_0, .q2_0, .pq2_0]
    guard blockTypes.contains(type), let layout = type.layout else {
      throw InputError(
        .mismatch, source: source, found: "floats to be written as \(type)",
        expected: "F32, F16, BF16, Q8_0, TQ1_0, TQ2_0, Q1_0, Q2_0, PQ2_0 or I2_S")
    }
    if let bad = values.firstIndex(where: { !$0.isFinite }) {
      throw InputError(
        .notFinite, source: source,
        found: "\(values[bad]) in row \(firstRow + bad / columns), column \(bad % columns)",
        expected: "finite numbers, to be written as \(type)")
    }
    var bytes = [UInt8](repeating: 0, count: count)
    for block in 0..<values.count / layout.blockLength {
      let first = block * layout.blockLength
      let values = UnsafeBufferPointer(rebasing: values[first..<first + layout.blockLength])
      let scale = scale(values)
      guard HalfPrecision.float(f16: HalfPrecision.f16(scale)).isFinite else {
        throw InputError(
          .mismatch, source: source,
          found: "the scale \(scale) in row \(firstRow + first / columns), "
            + "column \(first % columns)",
          expected: "at most 65504, the greatest half")
      }
      bytes.withUnsafeMutableBufferPointer { bytes in
        if let start = bytes.baseAddress {
          write(values, scale, to: start + block * layout.blockBytes)
        }
      }
    }
    return bytes
  }

  private func elements<Raw: FixedWidthInteger & BitwiseCopyable>(
    _ values: UnsafeBufferPointer<Float>, _ count: Int, _ convert: (Float) -> Raw
  ) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { bytes, initialized in
      let raw = UnsafeMutableRawBufferPointer(bytes)
      for (index, value) in values.enumerated() {
        raw.storeBytes(
          of: convert(value).littleEndian, toByteOffset: index * MemoryLayout<Raw>.size,
          as: Raw.self)
      }
      initialized = count
    }
  }

  private func scale(_ values: UnsafeBufferPointer<Float>) -> Float {
    if type == .q1_0 {
      // One after the other, as ggml sums: another order rounds otherwise.
      return values.reduce(0) { $0 + $1.magnitude } / Float(values.count)
    }
    let greatest = values.reduce(0) { max($0, $1.magnitude) }
    return type == .q8_0 ? greatest / 127 : greatest
  }

  private func write(
    _ values: UnsafeBufferPointer<Float>, _ scale: Float, to bytes: UnsafeMutablePointer<UInt8>
  ) {
    let half = HalfPrecision.f16(scale)
    // A scale without a finite reciprocal is 0 as a half.
    let reciprocal = 1 / scale
    let inverse = reciprocal.isFinite ? reciprocal : 0
    var codes = [Int8](repeating: 0, count: values.count)
    if type == .q1_0 {
      for (index, value) in values.enumerated() { codes[index] = value >= 0 ? 1 : -1 }
    } else {
      let most: Float = type == .q8_0 ? 127 : 1
      for (index, value) in values.enumerated() {
        let rounded = (value * inverse).rounded(.toNearestOrAwayFromZero)
        codes[index] = Int8(max(-most, min(most, rounded)))
      }
    }
    var scalePosition = 0
    codes.withUnsafeBufferPointer { codes in
      guard let source = codes.baseAddress else { return }
      if let format = GGUFCodeFormat(type, i2sLayout: i2sLayout) {
        scalePosition = format.scalePosition == .blockEnd ? format.codeBytes : 0
        format.encode(source, to: bytes + (scalePosition == 0 ? 2 : 0))
      } else {
        for index in codes.indices { bytes[2 + index] = UInt8(bitPattern: codes[index]) }
      }
    }
    bytes[scalePosition] = UInt8(truncatingIfNeeded: half)
    bytes[scalePosition + 1] = UInt8(truncatingIfNeeded: half >> 8)
  }
}

extension CodedTensor {
  /// The codes and the scale of a tensor whose values are ternary already.
  ///
  /// - Throws: `InputError` of kind `.mismatch` that names the first value that is neither 0 nor
  ///   plus or minus the greatest magnitude.
  public init(ternary values: Tensor, source: String) throws(InputError) {
    let columns = max(1, values.shape.features)
    let scalars = values.scalars
    let scale = scalars.reduce(0) { max($0, $1.magnitude) }
    var codes: [Int8] = []
    codes.reserveCapacity(scalars.count)
    for (index, value) in scalars.enumerated() {
      guard value == 0 || (value.magnitude == scale && scale.isFinite) else {
        throw InputError(
          .mismatch, source: source,
          found: "\(value) in row \(index / columns), column \(index % columns)",
          expected: "0, \(scale) or \(-scale): ternary values")
      }
      codes.append(value == 0 ? 0 : value > 0 ? 1 : -1)
    }
    try self.init(
      codes: codes, rows: scalars.count / columns, columns: columns, scaleKind: .tensor,
      scales: [scale], source: source)
  }
}
