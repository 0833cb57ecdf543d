import CBitKernels

/// A tensor of integers with the scales that they were made with: `value = code / scale`.
///
/// Codes of up to 8 bits are stored as Int8, wider ones as Int16. Each row of the last axis has a
/// scale, or one for each block of its columns; if one scale belongs to the whole tensor, it is the
/// scale of all rows. A row with a NaN or an infinity has codes 0 and only scales that are NaN.
public struct QuantizedTensor: Sendable {
  /// The extents of the tensor that was quantized.
  public let shape: Shape
  /// The number of bits of a code, 2...16.
  public let bits: Int
  /// The number of columns that share a scale, 32, 64, 128 or 256; nil if all columns of a row do.
  public let blockColumns: Int?
  /// The scales, `[shape.rows, blocksPerRow]` row-major.
  public let scales: [Float]

  /// The distance between two rows of codes; zeros fill the space after a row.
  let stride: Int
  /// Codes of up to 8 bits, `[rows, stride]`.
  let narrow: AlignedBuffer<Int8>?
  /// Codes of more than 8 bits, `[rows, stride]`.
  let wide: AlignedBuffer<Int16>?
  /// The sum of the narrow codes of each row.
  let sums: AlignedBuffer<Int32>
  /// 1 / scale, in the order of ``scales``.
  let inverseScales: AlignedBuffer<Float>

  /// The number of scales of a row: 1, or the number of blocks, of which the last may be shorter.
  public var blocksPerRow: Int { layout.scalesPerRow }

  /// Where the scales are.
  private var layout: ScaleLayout { Self.layout(shape, blockColumns: blockColumns) }

  /// Where the scales of a tensor are whose rows have one scale, or one for each block of columns.
  static func layout(_ shape: Shape, blockColumns: Int?) -> ScaleLayout {
    ScaleLayout(
      blockColumns.map { .block(columns: $0) } ?? .row, rows: shape.rows, columns: shape.features)
  }

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
    let (features, layout) = (shape.features, layout)
    ThreadPool.shared.parallelFor(shape.rows, grain: 1 + 16_384 / (features + 1)) { rows in
      for row in rows {
        for (block, columns) in layout.runs.enumerated() {
          let scale = scales[row * layout.scalesPerRow + block]
          let first = row * stride + columns.lowerBound
          let out = values + row * features + columns.lowerBound
          if let narrow {
            bk_dequantize8(narrow.pointer + first, columns.count, scale, out)
          } else if let wide {
            bk_dequantize16(wide.pointer + first, columns.count, scale, out)
          }
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
