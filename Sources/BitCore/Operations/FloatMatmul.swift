/// A way to multiply float32 matrices.
///
/// ``portable`` gives the same bits everywhere; training uses a BLAS, which the module BitBLAS
/// provides in this form. Operations take it as an argument, so that this module needs no BLAS.
public struct FloatMatmul: Sendable {
  /// One matrix of a product: row-major values, rows `stride` apart, possibly transposed.
  public struct Operand {
    /// The first value.
    public let values: UnsafePointer<Float>
    /// Distance between rows in memory, in values.
    public let stride: Int
    /// Whether the product uses the transpose.
    public let isTransposed: Bool

    package init(values: UnsafePointer<Float>, stride: Int, isTransposed: Bool = false) {
      (self.values, self.stride, self.isTransposed) = (values, stride, isTransposed)
    }
  }

  /// Writes `c[m, n] = op(a)[m, k] * op(b)[k, n]`, `c` row-major with rows `n` apart.
  public typealias Body =
    @Sendable (
      _ m: Int, _ n: Int, _ k: Int, _ a: Operand, _ b: Operand, _ c: UnsafeMutablePointer<Float>
    ) -> Void

  /// A product that is to be computed, of extents above zero.
  package struct Product {
    package let m: Int
    package let n: Int
    package let k: Int
    package let a: Operand
    package let b: Operand
    package let c: UnsafeMutablePointer<Float>
    /// Whether the product is added to what `c` holds.
    package let isAdded: Bool
    /// Whether to ask for no other threads, for callers that have a product for each of them.
    package let isSerial: Bool
  }

  private let compute: @Sendable (Product) -> Void

  /// A product computed by `body`, which is not called when an extent is zero.
  public init(_ body: @escaping Body) {
    compute = { product in
      let (m, n, k) = (product.m, product.n, product.k)
      guard product.isAdded else { return body(m, n, k, product.a, product.b, product.c) }
      let sum = AlignedBuffer<Float>(uninitialized: m * n)
      sum.withUnsafeMutablePointer { sum in
        body(m, n, k, product.a, product.b, sum)
        for i in 0..<m * n { product.c[i] += sum[i] }
      }
    }
  }

  /// A way to compute each kind of product.
  package init(computing compute: @escaping @Sendable (Product) -> Void) { self.compute = compute }

  /// Writes or adds a product of matrices in memory; `c` is contiguous `[m, n]`.
  package func multiply(
    _ m: Int, _ n: Int, _ k: Int, _ a: Operand, _ b: Operand, into c: UnsafeMutablePointer<Float>,
    isAdded: Bool = false, isSerial: Bool = false
  ) {
    guard m > 0, n > 0, k > 0 else { return isAdded ? () : c.update(repeating: 0, count: m * n) }
    compute(Product(m: m, n: n, k: k, a: a, b: b, c: c, isAdded: isAdded, isSerial: isSerial))
  }

  /// The product of two matrices or of their transposes. Leading axes of a tensor count as rows.
  ///
  /// - Returns: `[m, n]` for op(a) `[m, k]` and op(b) `[k, n]`.
  public func callAsFunction(
    _ a: Tensor, _ b: Tensor, transposeA: Bool = false, transposeB: Bool = false
  ) -> Tensor {
    let m = transposeA ? a.shape.features : a.shape.rows
    let n = transposeB ? b.shape.rows : b.shape.features
    return Tensor.build([m, n]) {
      multiply(a, b, transposeA: transposeA, transposeB: transposeB, into: $0)
    }
  }

  /// Writes the product to `c`, contiguous `[m, n]`.
  package func multiply(
    _ a: Tensor, _ b: Tensor, transposeA: Bool = false, transposeB: Bool = false,
    into c: UnsafeMutablePointer<Float>
  ) {
    let (m, k) =
      transposeA ? (a.shape.features, a.shape.rows) : (a.shape.rows, a.shape.features)
    let (inner, n) =
      transposeB ? (b.shape.features, b.shape.rows) : (b.shape.rows, b.shape.features)
    precondition(k == inner, "matrices of shapes \(a.shape) and \(b.shape) do not fit a product")
    a.withUnsafePointer { aValues in
      b.withUnsafePointer { bValues in
        multiply(
          m, n, k,
          Operand(values: aValues, stride: a.shape.features, isTransposed: transposeA),
          Operand(values: bValues, stride: b.shape.features, isTransposed: transposeB), into: c)
      }
    }
  }

  /// A plain product that adds each sum in the order of k, so that results do not depend on the
  /// machine, the number of threads or the other rows.
  public static let portable = FloatMatmul(computing: { product in
    let (n, k, a, b) = (product.n, product.k, product.a, product.b)
    let rows = { (rows: Range<Int>) in
      for i in rows {
        let row = product.c + i * n
        if !product.isAdded { row.initialize(repeating: 0, count: n) }
        for p in 0..<k {
          let factor = a.isTransposed ? a.values[p * a.stride + i] : a.values[i * a.stride + p]
          if b.isTransposed {
            for j in 0..<n { row[j] += factor * b.values[j * b.stride + p] }
          } else {
            let source = b.values + p * b.stride
            for j in 0..<n { row[j] += factor * source[j] }
          }
        }
      }
    }
    guard !product.isSerial else { return rows(0..<product.m) }
    ThreadPool.shared.parallelFor(product.m, grain: 1 + 65_536 / (n * k), rows)
  })
}
