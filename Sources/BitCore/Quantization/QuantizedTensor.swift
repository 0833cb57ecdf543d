import CBitKernels

/// A tensor of integers with the scales that they were made with: `value = code / scale`.
///
/// Codes of up to 8 bits are stored as Int8, wider ones as Int16. Each row of the last axis has a
/// scale; if one scale belongs to the whole tensor, it is the scale of all rows. A row with a NaN or
/// an infinity has codes 0 and the scale NaN.
public struct QuantizedTensor: Sendable {
  /// The extents of the tensor that was quantized.
  public let shape: Shape
  /// The number of bits of a code, 2...16.
  public let bits: Int
  /// The scale of each row, `shape.rows` of them.
  public let scales: [Float]

  /// The distance between two rows of codes; zeros fill the space after a row.
  let stride: Int
  /// Codes of up to 8 bits, `[rows, stride]`.
  let narrow: AlignedBuffer<Int8>?
  /// Codes of more than 8 bits, `[rows, stride]`.
  let wide: AlignedBuffer<Int16>?
  /// The sum of the narrow codes of each row.
  let sums: AlignedBuffer<Int32>
  /// 1 / scale of each row.
  let inverseScales: AlignedBuffer<Float>

  /// The codes in row-major order.
  public var codes: [Int] {
    (0..<shape.rows).flatMap { row in
      (0..<shape.features).map { code(row: row, column: $0) }
    }
  }

  private func code(row: Int, column: Int) -> Int {
    if let narrow { return Int(narrow.pointer[row * stride + column]) }
    return wide.map { Int($0.pointer[row * stride + column]) } ?? 0
  }

  /// The values `code / scale`; NaN for rows that were not finite.
  public func dequantized() -> Tensor { Tensor.build(shape) { dequantize(to: $0) } }

  /// Writes the values `code / scale`, contiguous.
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

extension QuantizedTensor: CustomStringConvertible {
  /// Shape, bits and bytes in one line.
  public var description: String {
    let width = narrow == nil ? 2 : 1
    return "QuantizedTensor(shape: \(shape), bits: \(bits), bytes: \(shape.scalarCount * width))"
  }
}
