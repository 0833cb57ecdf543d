import CBitKernels

extension CodeMatrix {
  /// The weights `scale * code`, `[rows, columns]`.
  public var values: Tensor {
    Tensor.build([rows, columns]) { writeValues(to: .float32($0)) }
  }

  /// Writes the weights of some rows, the first of which is the first of a strip.
  package func writeValues(ofRows rows: Range<Int>? = nil, to values: ValueMemory) {
    guard format == alphabet.defaultFormat else {
      return packed(as: alphabet.defaultFormat).writeValues(ofRows: rows, to: values)
    }
    let wanted = rows ?? 0..<self.rows
    let first = wanted.lowerBound / Self.stripRows
    var part = kernelMatrix
    // Kernels write the rows up to the last one of the matrix.
    part.rows = wanted.upperBound
    let (matrix, layout) = (part, layout)
    // They write from the first row of the matrix on, which may lie before the memory.
    let skipped = wanted.lowerBound * columns
    ThreadPool.shared.parallelFor(
      (wanted.count + Self.stripRows - 1) / Self.stripRows,
      grain: 1 + 16_384 / (Self.stripRows * columns + 1)
    ) { strips in
      withUnsafePointer(to: matrix) { matrix in
        for strip in strips {
          switch values {
          case .float32(let floats):
            bk_strip_values(layout, matrix, first + strip, floats - skipped, nil)
          case .bfloat16(let halves):
            bk_strip_values(layout, matrix, first + strip, nil, halves - skipped)
          }
        }
      }
    }
    // The kernels' matrix points into this one.
    withExtendedLifetime(self) {}
  }
}
