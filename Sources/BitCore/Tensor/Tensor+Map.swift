extension Tensor {
  /// The minimum number of values for which another thread is worth waking.
  static let parallelGrain = 1 << 15

  /// A tensor whose values are `body` of this one's.
  func map(_ body: (Float) -> Float) -> Tensor {
    Tensor.build(shape) { out in
      withUnsafePointer { x in
        ThreadPool.shared.parallelFor(count, grain: Self.parallelGrain) { range in
          for i in range { out[i] = body(x[i]) }
        }
      }
    }
  }

  /// A tensor whose values are `body` of this one's, applied to eight at once.
  func mapVectors(_ body: (SIMD8<Float>) -> SIMD8<Float>) -> Tensor {
    combinedVectors(with: self) { x, _ in body(x) }
  }

  /// A tensor whose values are `body` of the values of two tensors of one shape.
  func combined(with other: Tensor, _ body: (Float, Float) -> Float) -> Tensor {
    checkFits(other)
    return Tensor.build(shape) { out in
      withUnsafePointer { x in
        other.withUnsafePointer { y in
          ThreadPool.shared.parallelFor(count, grain: Self.parallelGrain) { range in
            for i in range { out[i] = body(x[i], y[i]) }
          }
        }
      }
    }
  }

  /// A tensor whose values are `body` of the values of two tensors of one shape, applied to
  /// eight at once.
  func combinedVectors(
    with other: Tensor, _ body: (SIMD8<Float>, SIMD8<Float>) -> SIMD8<Float>
  ) -> Tensor {
    checkFits(other)
    let count = count
    return Tensor.build(shape) { out in
      withUnsafePointer { x in
        other.withUnsafePointer { y in
          ThreadPool.shared.parallelFor((count + 7) / 8, grain: Self.parallelGrain / 8) { range in
            let first = 8 * range.lowerBound
            Self.combine(
              x + first, y + first, min(8 * range.upperBound, count) - first, out + first, body)
          }
        }
      }
    }
  }

  /// Writes `body` of `count` values of two rows, applied to eight at once.
  @inline(__always)
  static func combine(
    _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ count: Int,
    _ out: UnsafeMutablePointer<Float>,
    _ body: (SIMD8<Float>, SIMD8<Float>) -> SIMD8<Float>
  ) {
    let whole = count / 8 * 8
    for i in stride(from: 0, to: whole, by: 8) {
      body(SIMD8(loading: x + i), SIMD8(loading: y + i)).store(to: out + i)
    }
    guard whole < count else { return }
    let rest = body(
      SIMD8(loading: x + whole, count: count - whole),
      SIMD8(loading: y + whole, count: count - whole))
    for i in whole..<count { out[i] = rest[i - whole] }
  }

  /// Writes `body` of `count` values of a row, applied to eight at once.
  @inline(__always)
  static func map(
    _ x: UnsafePointer<Float>, _ count: Int, _ out: UnsafeMutablePointer<Float>,
    _ body: (SIMD8<Float>) -> SIMD8<Float>
  ) {
    combine(x, x, count, out) { x, _ in body(x) }
  }

  private func checkFits(_ other: Tensor) {
    precondition(
      shape == other.shape, "tensors of shapes \(shape) and \(other.shape) do not fit together")
  }
}
