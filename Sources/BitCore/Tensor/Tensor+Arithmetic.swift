extension Tensor {
  /// Values below this many per thread are not worth waking a thread for.
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

  /// A tensor whose values are `body` of this one's, eight at a time.
  func mapVectors(_ body: (SIMD8<Float>) -> SIMD8<Float>) -> Tensor {
    combinedVectors(with: self) { x, _ in body(x) }
  }

  /// A tensor whose values are `body` of those of two tensors of one shape.
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

  /// A tensor whose values are `body` of those of two tensors of one shape, eight at a time.
  func combinedVectors(
    with other: Tensor, _ body: (SIMD8<Float>, SIMD8<Float>) -> SIMD8<Float>
  ) -> Tensor {
    checkFits(other)
    let count = count
    return Tensor.build(shape) { out in
      withUnsafePointer { x in
        other.withUnsafePointer { y in
          ThreadPool.shared.parallelFor((count + 7) / 8, grain: Self.parallelGrain / 8) { range in
            let whole = min(range.upperBound, count / 8)
            for i in stride(from: 8 * range.lowerBound, to: 8 * whole, by: 8) {
              body(SIMD8(loading: x + i), SIMD8(loading: y + i)).store(to: out + i)
            }
            guard range.upperBound > whole else { return }
            let rest = body(
              SIMD8(loading: x + 8 * whole, count: count - 8 * whole),
              SIMD8(loading: y + 8 * whole, count: count - 8 * whole))
            for i in 8 * whole..<count { out[i] = rest[i - 8 * whole] }
          }
        }
      }
    }
  }

  private func checkFits(_ other: Tensor) {
    precondition(
      shape == other.shape, "tensors of shapes \(shape) and \(other.shape) do not fit together")
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
    return a.combinedVectors(with: b) { $0 + $1 }
  }

  /// The difference of two tensors of one shape; ``zero`` fits any.
  public static func - (a: Tensor, b: Tensor) -> Tensor {
    if b.isZeroElement { return a }
    if a.isZeroElement { return b.mapVectors { -$0 } }
    return a.combinedVectors(with: b) { $0 - $1 }
  }

  /// The product of corresponding values of two tensors of one shape.
  public static func * (a: Tensor, b: Tensor) -> Tensor {
    a.combinedVectors(with: b) { $0 * $1 }
  }

  /// All values times a number.
  public static func * (a: Tensor, b: Float) -> Tensor {
    a.mapVectors { $0 * b }
  }
}

extension SIMD8<Float> {
  /// Eight values from memory at any alignment.
  @inline(__always)
  init(loading pointer: UnsafePointer<Float>) {
    self = UnsafeRawPointer(pointer).loadUnaligned(as: Self.self)
  }

  /// The first `count` of eight values from memory, then zeros.
  init(loading pointer: UnsafePointer<Float>, count: Int) {
    self = .zero
    for i in 0..<count { self[i] = pointer[i] }
  }

  /// Writes eight values to memory at any alignment.
  @inline(__always)
  func store(to pointer: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(pointer).storeBytes(of: self, as: Self.self)
  }
}
