import BitCore

/// The factor of an RMSNorm with its epsilon.
struct NormWeight: Sendable {
  let weight: Tensor
  let epsilon: Float

  /// Normalizes rows of `rows[r]`, which lie `stride` floats apart, each to `output[r * count]`.
  func normalize(
    _ x: UnsafePointer<Float>, stride: Int, rows: Int, to output: UnsafeMutablePointer<Float>
  ) {
    let count = weight.count
    let math = DecoderMath()
    ThreadPool.shared.parallelFor(rows, grain: 1 + 16_384 / (count + 1)) { range in
      for row in range {
        math.rmsNorm(
          x + row * stride, count, epsilon: epsilon, weight: weight.pointer, output + row * count)
      }
    }
    withExtendedLifetime(weight) {}
  }

  /// A normalized copy of `[rows, count]`.
  func normalized(_ x: Tensor) -> Tensor {
    Tensor.build(x.shape) { output in
      x.withUnsafePointer {
        normalize($0, stride: weight.count, rows: x.shape.rows, to: output)
      }
    }
  }

  /// Normalizes one vector in place.
  func normalize(_ x: UnsafeMutablePointer<Float>, _ math: DecoderMath) {
    math.rmsNorm(x, weight.count, epsilon: epsilon, weight: weight.pointer, x)
  }
}
