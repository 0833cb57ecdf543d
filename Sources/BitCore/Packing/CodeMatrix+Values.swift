import CBitKernels

extension CodeMatrix {
  /// The weights `scale * code`, `[rows, columns]`.
  public var values: Tensor {
    Tensor.build([rows, columns]) { writeValues(to: .float32($0)) }
  }

  /// Writes the weights.
  package func writeValues(to values: ValueMemory) {
    guard format == alphabet.defaultFormat else {
      return packed(as: alphabet.defaultFormat).writeValues(to: values)
    }
    let (matrix, layout) = (kernelMatrix, layout)
    ThreadPool.shared.parallelFor(
      stripCount, grain: 1 + 16_384 / (Int(BK_STRIP_ROWS) * columns + 1)
    ) { strips in
      withUnsafePointer(to: matrix) { matrix in
        for strip in strips {
          switch values {
          case .float32(let floats): bk_strip_values(layout, matrix, strip, floats, nil)
          case .bfloat16(let halves): bk_strip_values(layout, matrix, strip, nil, halves)
          }
        }
      }
    }
    // The kernels' matrix points into this one.
    withExtendedLifetime(self) {}
  }
}
