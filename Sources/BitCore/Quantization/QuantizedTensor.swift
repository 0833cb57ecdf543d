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

  /// Where the scales are.
  let layout: ScaleLayout
  /// The distance between two rows of codes; zeros fill the space after a row.
  let stride: Int
  /// The codes, `[rows, stride]`, then 1 / scale, the scales and the sums of rows. One block of
  /// memory, because allocating four takes longer than quantizing a token.
  let memory: AlignedBuffer<UInt8>

  /// A tensor whose codes, scales and sums the caller must write.
  init(uninitialized shape: Shape, bits: Int, blockColumns: Int?) {
    (self.shape, self.bits, self.blockColumns) = (shape, bits, blockColumns)
    layout = ScaleLayout(
      blockColumns.map { .block(columns: $0) } ?? .row, rows: shape.rows, columns: shape.features)
    stride = bk_padded_columns(layout.columns)
    memory = AlignedBuffer(
      uninitialized: layout.rows * (stride * (bits <= 8 ? 1 : 2) + 4) + 8 * layout.count)
  }

  /// The number of bytes of all codes.
  private var codeBytes: Int { layout.rows * stride * (bits <= 8 ? 1 : 2) }

  private func pointer<T>(_ type: T.Type, at offset: Int) -> UnsafeMutablePointer<T> {
    UnsafeMutableRawPointer(memory.pointer + offset).assumingMemoryBound(to: type)
  }

  // Pointers are for callers that keep the tensor alive.

  /// Codes of up to 8 bits.
  var narrow: UnsafeMutablePointer<Int8>? { bits <= 8 ? pointer(Int8.self, at: 0) : nil }
  /// Codes of more than 8 bits.
  var wide: UnsafeMutablePointer<Int16>? { bits > 8 ? pointer(Int16.self, at: 0) : nil }
  /// 1 / scale, in the order of ``scales``.
  var inverseScales: UnsafeMutablePointer<Float> { pointer(Float.self, at: codeBytes) }
  /// The memory of ``scales``.
  var scalePointer: UnsafeMutablePointer<Float> {
    pointer(Float.self, at: codeBytes + 4 * layout.count)
  }
  /// The sum of the narrow codes of each row; nothing for wide ones.
  var sums: UnsafeMutablePointer<Int32> {
    pointer(Int32.self, at: codeBytes + 8 * layout.count)
  }

  /// The scales, `[shape.rows, blocksPerRow]` row-major.
  public var scales: [Float] {
    defer { withExtendedLifetime(memory) {} }
    return Array(UnsafeBufferPointer(start: scalePointer, count: layout.count))
  }

  /// The number of scales of a row: 1, or the number of blocks, of which the last may be shorter.
  public var blocksPerRow: Int { layout.scalesPerRow }

  /// The codes in row-major order.
  public var codes: [Int] {
    (0..<shape.rows).flatMap { row in
      (0..<shape.features).map { code(row: row, column: $0) }
    }
  }

  private func code(row: Int, column: Int) -> Int {
    defer { withExtendedLifetime(memory) {} }
    if let narrow { return Int(narrow[row * stride + column]) }
    return wide.map { Int($0[row * stride + column]) } ?? 0
  }

  /// The values `code / scale`; NaN for rows that were not finite.
  public func dequantized() -> Tensor { Tensor.build(shape) { dequantize(to: .float32($0)) } }

  /// Writes the values `code / scale`.
  package func dequantize(to values: ValueMemory) {
    defer { withExtendedLifetime(memory) {} }
    let (features, layout, scales) = (shape.features, layout, scalePointer)
    ThreadPool.shared.parallelFor(shape.rows, grain: 1 + 16_384 / (features + 1)) { rows in
      for row in rows {
        for (block, columns) in layout.runs.enumerated() {
          let scale = scales[row * layout.scalesPerRow + block]
          let first = row * stride + columns.lowerBound
          values.write(row * features + columns.lowerBound, columns.count) { out in
            if let narrow {
              bk_dequantize8(narrow + first, columns.count, scale, out)
            } else if let wide {
              bk_dequantize16(wide + first, columns.count, scale, out)
            }
          }
        }
      }
    }
  }

  /// Writes the codes, contiguous: Int8 up to 8 bits, Int16 above.
  package func copyCodes(to target: UnsafeMutableRawPointer) {
    let width = bits <= 8 ? 1 : 2
    for row in 0..<shape.rows {
      (target + row * shape.features * width).copyMemory(
        from: memory.pointer + row * stride * width, byteCount: shape.features * width)
    }
  }
}

extension QuantizedTensor: CustomStringConvertible {
  /// Shape, bits and bytes in one line.
  public var description: String {
    let width = bits <= 8 ? 1 : 2
    return "QuantizedTensor(shape: \(shape), bits: \(bits), bytes: \(shape.scalarCount * width))"
  }
}
