/// Products of matrices, one for each index of the leading axes.
public enum MatmulOperation {
  /// The products `op(a) op(b)`, with op(x) the matrix or its transpose.
  ///
  /// - Parameters:
  ///   - a: `[..., m, k]`, or `[..., k, m]` if transposed.
  ///   - b: `[..., k, n]`, or `[..., n, k]` if transposed. The leading axes of both broadcast by
  ///     NumPy's rules.
  ///   - transposeA: whether the matrices of `a` are transposed.
  ///   - transposeB: whether the matrices of `b` are transposed.
  ///   - matmul: how to multiply float matrices.
  /// - Returns: `[..., m, n]`.
  public static func forward(
    _ a: Tensor, _ b: Tensor, transposeA: Bool = false, transposeB: Bool = false,
    matmul: FloatMatmul = .portable
  ) -> Tensor {
    let products = Products(a.shape, b.shape, transposeA, transposeB)
    if b.shape.rank == 2, !transposeA {
      // One product for all rows.
      return matmul(a, b, transposeB: transposeB).reshaped(products.shape)
    }
    return Tensor.build(products.shape) { c in
      a.withUnsafePointer { a in
        b.withUnsafePointer { b in products.multiply(a, b, into: c, matmul) }
      }
    }
  }

  /// The gradients of both factors, summed over the axes along which a factor was broadcast.
  public static func reverse(
    _ a: Tensor, _ b: Tensor, transposeA: Bool = false, transposeB: Bool = false,
    upstream: Tensor, matmul: FloatMatmul = .portable
  ) -> (a: Tensor, b: Tensor) {
    let shape = Products(a.shape, b.shape, transposeA, transposeB).shape
    precondition(
      upstream.shape == shape, "a gradient of shape \(upstream.shape) for products \(shape)")
    if b.shape.rank == 2, !transposeA {
      return (
        matmul(upstream, b, transposeB: !transposeB).reshaped(a.shape),
        transposeB
          ? matmul(upstream, a, transposeA: true) : matmul(a, upstream, transposeA: true)
      )
    }
    func product(_ x: Tensor, _ y: Tensor, _ transposeX: Bool, _ transposeY: Bool) -> Tensor {
      forward(x, y, transposeA: transposeX, transposeB: transposeY, matmul: matmul)
    }
    // C = op(A) op(B): d op(A) = dC op(B)^T, d op(B) = op(A)^T dC.
    let aGradient =
      transposeA
      ? product(b, upstream, transposeB, true) : product(upstream, b, false, !transposeB)
    let bGradient =
      transposeB
      ? product(upstream, a, true, transposeA) : product(a, upstream, !transposeA, false)
    return (aGradient.summed(to: a.shape), bGradient.summed(to: b.shape))
  }

  /// What is multiplied: the extents of each product, and where its matrices lie.
  private struct Products {
    let shape: Shape
    private let m: Int
    private let n: Int
    private let k: Int
    private let leading: Shape
    /// The steps between matrices along the leading axes, in matrices.
    private let steps: (a: [Int], b: [Int])
    private let strides: (a: Int, b: Int)
    private let transposed: (a: Bool, b: Bool)

    init(_ a: Shape, _ b: Shape, _ transposeA: Bool, _ transposeB: Bool) {
      precondition(
        a.rank >= 2 && b.rank >= 2, "tensors of shapes \(a) and \(b) are not both matrices")
      let (leadingA, leadingB) = (Shape(a.extents.dropLast(2)), Shape(b.extents.dropLast(2)))
      let (rowsA, columnsA) = (a[a.rank - 2], a[a.rank - 1])
      let (rowsB, columnsB) = (b[b.rank - 2], b[b.rank - 1])
      (m, k) = transposeA ? (columnsA, rowsA) : (rowsA, columnsA)
      let inner: Int
      (inner, n) = transposeB ? (columnsB, rowsB) : (rowsB, columnsB)
      let common = leadingA.broadcast(with: leadingB)
      precondition(
        common != nil && k == inner,
        "matrices of shapes \(a) and \(b) do not fit a product"
          + " (transposed: \(transposeA), \(transposeB))")
      leading = common ?? []
      shape = Shape(leading.extents + [m, n])
      steps = (leadingA.steps(broadcastTo: leading), leadingB.steps(broadcastTo: leading))
      strides = (columnsA, columnsB)
      transposed = (transposeA, transposeB)
    }

    func multiply(
      _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into c: UnsafeMutablePointer<Float>,
      _ matmul: FloatMatmul
    ) {
      let count = leading.scalarCount
      // Where there are fewer matrices than threads, the threads share the rows of each of them.
      let pool = ThreadPool.shared
      let isShared = count < pool.limit
      pool.parallelFor(count, grain: isShared ? count : 1) { range in
        for index in range {
          var (rest, placeA, placeB) = (index, 0, 0)
          for axis in leading.indices.reversed() {
            let place = rest % leading[axis]
            rest /= leading[axis]
            placeA += place * steps.a[axis]
            placeB += place * steps.b[axis]
          }
          matmul.multiply(
            m, n, k,
            FloatMatmul.Operand(
              values: a + placeA * m * k, stride: strides.a, isTransposed: transposed.a),
            FloatMatmul.Operand(
              values: b + placeB * k * n, stride: strides.b, isTransposed: transposed.b),
            into: c + index * m * n, isSerial: !isShared)
        }
      }
    }
  }
}
