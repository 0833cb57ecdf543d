import CBitKernels

/// A tensor of integers with the scales that made them: `value = code / scale`.
///
/// Codes of up to 8 bits are stored as Int8, wider ones as Int16. Each row of the last axis has a
/// scale; with one scale for the whole tensor all rows hold the same. A row that had a NaN or an
/// infinity has codes 0 and the scale NaN.
public struct QuantizedTensor: Sendable {
  /// The extents of the tensor that was quantized.
  public let shape: Shape
  /// The bits of a code, 2...16.
  public let bits: Int
  /// The scale of each row, `shape.rows` of them.
  public let scales: [Float]

  /// Rows of codes lie this far apart; between the last code and the next row are zeros.
  let stride: Int
  let narrow: AlignedBuffer<Int8>?
  let wide: AlignedBuffer<Int16>?
  let sums: [Int32]
  let inverseScales: [Float]

  /// The codes in row-major order.
  public var codes: [Int] {
    (0..<shape.rows).flatMap { row in
      (0..<shape.features).map { code(row: row, column: $0) }
    }
  }

  /// The codes as Int8, as the kernels read them; nil above 8 bits.
  public var int8Codes: [Int8]? { narrow == nil ? nil : codes.map(Int8.init) }

  /// The codes as Int16; nil up to 8 bits.
  public var int16Codes: [Int16]? { wide == nil ? nil : codes.map(Int16.init) }

  private func code(row: Int, column: Int) -> Int {
    if let narrow { return Int(narrow.pointer[row * stride + column]) }
    return wide.map { Int($0.pointer[row * stride + column]) } ?? 0
  }

  /// The values that the codes stand for, `code / scale`; NaN for rows that were not finite.
  public func dequantized() -> Tensor { Tensor.build(shape) { dequantize(to: $0) } }

  /// Writes the values that the codes stand for, contiguous.
  package func dequantize(to values: UnsafeMutablePointer<Float>) {
    let features = shape.features
    ThreadPool.shared.parallelFor(shape.rows, grain: 1 + 16_384 / (features + 1)) { rows in
      for row in rows {
        let out = values + row * features
        if let narrow {
          bk_dequantize8(narrow.pointer + row * stride, features, scales[row], out)
        } else if let wide {
          bk_dequantize16(wide.pointer + row * stride, features, scales[row], out)
        }
      }
    }
  }

  /// Writes the codes, contiguous: Int8 up to 8 bits, Int16 above.
  package func copyCodes(to target: UnsafeMutableRawPointer) {
    let width = narrow == nil ? 2 : 1
    for row in 0..<shape.rows {
      let source =
        narrow.map { UnsafeRawPointer($0.pointer + row * stride) }
        ?? wide.map { UnsafeRawPointer($0.pointer + row * stride) }
      guard let source else { return }
      (target + row * shape.features * width).copyMemory(
        from: source, byteCount: shape.features * width)
    }
  }
}
