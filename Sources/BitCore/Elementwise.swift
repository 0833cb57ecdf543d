extension Tensor {
  /// Values below this many per thread are not worth waking a thread for.
  package static let parallelGrain = 1 << 15

  /// A tensor whose values are `body` of this one's.
  @inline(__always)
  package func map(_ body: (Float) -> Float) -> Tensor {
    Tensor.build(shape) { out in
      withUnsafePointer { x in
        ThreadPool.shared.parallelFor(count, grain: Self.parallelGrain) { range in
          for i in range { out[i] = body(x[i]) }
        }
      }
    }
  }

  /// A tensor whose values are `body` of those of two tensors of one shape.
  @inline(__always)
  package func combined(with other: Tensor, _ body: (Float, Float) -> Float) -> Tensor {
    precondition(
      shape == other.shape, "tensors of shapes \(shape) and \(other.shape) do not fit together")
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

  /// A tensor whose rows `body` writes, given this one's.
  func mapRows(
    _ body: (UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
  ) -> Tensor {
    let features = shape.features
    return Tensor.build(shape) { out in
      withUnsafePointer { x in
        ThreadPool.shared.parallelFor(
          shape.rows, grain: 1 + Self.parallelGrain / (features + 1)
        ) { rows in
          for row in rows { body(x + row * features, out + row * features) }
        }
      }
    }
  }

  /// The sum over all axes but the last, `[features]`, in order of rows.
  public func sumOfRows() -> Tensor {
    let features = shape.features
    var sum = Tensor.zeros([features])
    sum.withUnsafeMutablePointer { sum in
      withUnsafePointer { x in
        for row in 0..<shape.rows {
          for i in 0..<features { sum[i] += x[row * features + i] }
        }
      }
    }
    return sum
  }

  /// Adds a vector `[features]` to every row.
  public mutating func addToRows(_ vector: Tensor) {
    let features = shape.features
    precondition(
      vector.shape == [features], "a vector of shape \(vector.shape) does not fit rows of \(shape)")
    let rows = shape.rows
    withUnsafeMutablePointer { values in
      vector.withUnsafePointer { vector in
        for row in 0..<rows {
          for i in 0..<features { values[row * features + i] += vector[i] }
        }
      }
    }
  }
}

extension Tensor: AdditiveArithmetic {
  /// The neutral element of addition, of shape `[0]`: adding it changes nothing, whatever the
  /// other shape. A parameter that a result does not depend on has this gradient.
  public static var zero: Tensor { .zeros([0]) }

  /// Whether this is the neutral element.
  package var isZeroElement: Bool { shape == [0] }

  /// The sum of two tensors of one shape; ``zero`` fits any.
  public static func + (a: Tensor, b: Tensor) -> Tensor {
    if a.isZeroElement { return b }
    if b.isZeroElement { return a }
    return a.combined(with: b) { $0 + $1 }
  }

  /// The difference of two tensors of one shape; ``zero`` fits any.
  public static func - (a: Tensor, b: Tensor) -> Tensor {
    if b.isZeroElement { return a }
    if a.isZeroElement { return b.map { -$0 } }
    return a.combined(with: b) { $0 - $1 }
  }

  /// The product of corresponding values of two tensors of one shape.
  public static func * (a: Tensor, b: Tensor) -> Tensor { a.combined(with: b) { $0 * $1 } }

  /// All values times a number.
  public static func * (a: Tensor, b: Float) -> Tensor { a.map { $0 * b } }
}
