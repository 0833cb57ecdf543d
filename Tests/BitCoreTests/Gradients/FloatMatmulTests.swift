import BitBLAS
import Testing

@Suite struct FloatMatmulTests {
  // 130 rows are split over threads.
  static let sizes = [
    (1, 1, 1), (1, 7, 5), (7, 1, 5), (7, 5, 1), (2, 3, 4), (9, 17, 33), (16, 16, 16), (33, 20, 65),
    (65, 70, 31), (130, 70, 65), (0, 3, 4), (3, 0, 4), (3, 4, 0),
  ]

  @Test(arguments: sizes, ["portable", "blas"])
  func `equals a loop in double`(size: (Int, Int, Int), name: String) {
    let (m, n, k) = size
    let matmul = name == "blas" ? FloatMatmul.blas : .portable
    for (transposeA, transposeB) in [(false, false), (true, false), (false, true), (true, true)] {
      let a = random(transposeA ? [k, m] : [m, k], seed: 1)
      let b = random(transposeB ? [n, k] : [k, n], seed: 2)
      let c = matmul(a, b, transposeA: transposeA, transposeB: transposeB)
      let (x, y) = (a.doubles, b.doubles)
      let expected = (0..<m * n).map { i in
        (0..<k).reduce(0.0) { sum, p in
          sum + x[transposeA ? p * m + i / n : i / n * k + p]
            * y[transposeB ? i % n * k + p : p * n + i % n]
        }
      }
      #expect(c.shape == [m, n])
      #expect(difference(c, expected, relativeToLargest: 2e-6) == nil)
    }
  }

  @Test(arguments: ["portable", "blas"])
  func `leading axes count as rows`(name: String) {
    let matmul = name == "blas" ? FloatMatmul.blas : .portable
    let (a, b) = (random([2, 3, 5]), random([5, 4], seed: 2))
    #expect(matmul(a, b) == matmul(a.reshaped([6, 5]), b))
    let c = random([2, 3, 4], seed: 3)
    #expect(
      matmul(a, c, transposeA: true)
        == matmul(a.reshaped([6, 5]), c.reshaped([6, 4]), transposeA: true))
  }

  @Test func `the portable product of a row does not depend on other rows`() {
    let (a, b) = (random([300, 40]), random([40, 50], seed: 2))
    let all = FloatMatmul.portable(a, b)
    for row in [0, 1, 150, 299] {
      #expect(sameBits(FloatMatmul.portable(a.rows(row..<row + 1), b), all.rows(row..<row + 1)))
    }
  }

  @Test func `shapes that do not fit are refused`() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = FloatMatmul.portable(.zeros([2, 3]), .zeros([4, 5]))
    }
    expectMessage(result, "matrices of shapes [2, 3] and [4, 5] do not fit a product")
  }
}
