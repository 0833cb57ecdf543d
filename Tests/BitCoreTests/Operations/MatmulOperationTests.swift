import BitBLAS
import Testing

@testable import BitCore

@Suite struct MatmulOperationTests {
  /// Leading axes of both factors.
  static let leading: [([Int], [Int])] = [
    ([], []), ([3], []), ([], [3]), ([2, 3], [2, 3]), ([2, 3], [3]), ([2, 3], [2, 1]),
    ([2, 1, 4], [3, 1]), ([0], [1]),
  ]

  @Test(arguments: leading, ["portable", "blas"])
  func `equals the products of single matrices`(leading: ([Int], [Int]), name: String) throws {
    let matmul = name == "blas" ? FloatMatmul.blas : .portable
    let (m, n, k) = (3, 5, 4)
    for (transposeA, transposeB) in [(false, false), (true, false), (false, true), (true, true)] {
      let a = random(Shape(leading.0 + (transposeA ? [k, m] : [m, k])), seed: 1)
      let b = random(Shape(leading.1 + (transposeB ? [n, k] : [k, n])), seed: 2)
      let c = MatmulOperation.forward(
        a, b, transposeA: transposeA, transposeB: transposeB, matmul: matmul)
      let common = try #require(Shape(leading.0).broadcast(with: Shape(leading.1)))
      #expect(c.shape.extents == common.extents + [m, n])
      let expected = c.shape.indexes.map { index in
        let (matrix, i, j) = (index.dropLast(2), index[index.count - 2], index[index.count - 1])
        return (0..<k).reduce(0.0) { sum, p in
          sum + Double(a.broadcastValue(at: matrix + (transposeA ? [p, i] : [i, p])))
            * Double(b.broadcastValue(at: matrix + (transposeB ? [j, p] : [p, j])))
        }
      }
      #expect(difference(c, expected, relativeToLargest: 1e-6) == nil)
      let gradients = MatmulOperation.reverse(
        a, b, transposeA: transposeA, transposeB: transposeB, upstream: c, matmul: matmul)
      #expect(gradients.a.shape == a.shape)
      #expect(gradients.b.shape == b.shape)
    }
  }

  @Test func `shapes that do not fit are refused`() async {
    let inner = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = MatmulOperation.forward(.zeros([2, 3]), .zeros([2, 3]))
    }
    expectMessage(inner, "matrices of shapes [2, 3] and [2, 3] do not fit a product")
    let leading = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = MatmulOperation.forward(.zeros([2, 3, 4]), .zeros([3, 4, 5]))
    }
    expectMessage(leading, "matrices of shapes [2, 3, 4] and [3, 4, 5] do not fit a product")
  }
}
