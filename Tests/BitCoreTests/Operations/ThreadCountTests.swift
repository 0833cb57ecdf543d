import BitBLAS
import Testing

@testable import BitCore

/// Results do not depend on the number of threads.
@Suite(.serialized) struct ThreadCountTests {
  private let x = random([64, 3, 1_100], seed: 1)
  private let y = random([64, 3, 1_100], seed: 2)

  private static let operations: [String: @Sendable (Tensor, Tensor) -> Tensor] = [
    "matmul": { MatmulOperation.forward($0, $1, transposeB: true, matmul: .blas) },
    "few matmuls": {
      let (a, b) = ($0.reshaped([1, 192, 1_100]), $1.reshaped([1, 192, 1_100]))
      return MatmulOperation.forward(a, b, transposeB: true, matmul: .blas)
    },
    "matmul, reverse": {
      let b = $1.sliced(axis: 0, 0..<1)
      let c = MatmulOperation.forward($0, b, transposeB: true, matmul: .blas)
      return MatmulOperation.reverse($0, b, transposeB: true, upstream: c, matmul: .blas).b
    },
    "transposed": { a, _ in a.transposed(2, 0, 1) },
    "broadcast": { $0 * $1.sliced(axis: 0, 3..<4) },
    "sum of rows": { a, _ in a.sumOfRows() },
    "sum of all": { a, _ in a.sum(axes: [0, 1, 2]) },
    "sum of the last axis": { a, _ in a.sum(axes: [-1]) },
    "softmax": { a, _ in SoftmaxOperation.forward(a, mask: .causal) },
    "softmax, reverse": { SoftmaxOperation.reverse(output: $0, upstream: $1) },
    "gathered, reverse": { a, _ in
      let indices = (0..<64).map { Int32($0 * $0 % 5) }
      return a.gatheredReverse(of: [5, 3, 1_100], indices, axis: 0)
    },
    "silu": { a, _ in Activation.silu(a) },
    "silu, reverse": { Activation.silu.reverse($0, upstream: $1) },
    "exp": { a, _ in a.exp() },
    "cross entropy": { a, _ in
      let labels = (0..<192).map { Int32($0) }
      let (loss, gradient) = Losses.softmaxCrossEntropy(a, labels: labels)
      return concatenated([Tensor([loss]), gradient.reshaped([gradient.count])])
    },
  ]

  @Test(arguments: operations.keys.sorted())
  func `one thread gives the same bits`(name: String) throws {
    let operation = try #require(Self.operations[name])
    let pool = ThreadPool.shared
    let limit = pool.limit
    defer { pool.limit = limit }
    let all = operation(x, y)
    pool.limit = 1
    #expect(sameBits(operation(x, y), all))
  }
}
