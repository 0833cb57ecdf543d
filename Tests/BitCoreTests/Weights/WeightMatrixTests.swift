import Testing

@testable import BitCore

/// Matrices of floats and of GGUF's blocks.
@Suite struct WeightMatrixTests {
  /// The sums as WeightMatrix.matmul states them.
  static func reference(_ weights: [Float], _ x: [Float], rows: Int, bias: [Float]?) -> [Float] {
    let columns = weights.count / max(1, rows)
    return (0..<x.count / columns).flatMap { token in
      (0..<rows).map { row in
        var sums = [Float](repeating: 0, count: 16)
        for c in 0..<columns {
          sums[c % 16].addProduct(weights[row * columns + c], x[token * columns + c])
        }
        for apart in [8, 4, 2, 1] {
          for lane in 0..<apart { sums[lane] += sums[lane + apart] }
        }
        return bias.map { sums[0] + $0[row] } ?? sums[0]
      }
    }
  }

  @Test(arguments: WeightType.allCases, [1, 2, 3])
  func `products have the same bits for every set of kernels and every number of threads`(
    type: WeightType, threads: Int
  ) throws {
    var samples = WeightSamples(seed: 5)
    let pool = ThreadPool(threads: threads)
    for (rows, columns, tokens) in [(1, 256, 1), (37, 512, 1), (70, 768, 7), (600, 256, 13)] {
      let matrix = try samples.matrix(type, rows: rows, columns: columns)
      let x = samples.tensor([tokens, columns])
      let bias = tokens == 7 ? samples.tensor([rows]) : nil
      let expected = Tensor(
        Self.reference(
          matrix.values(ofRows: 0..<rows), x.scalars, rows: rows, bias: bias?.scalars),
        shape: [tokens, rows])
      for kernels in WeightSamples.kernelSets {
        let product = matrix.matmul(x, bias: bias, kernels: kernels, pool: pool)
        #expect(sameBits(product, expected), "\(rows) x \(columns), \(kernels)")
      }
    }
  }

  @Test func `a token has the same bits alone and among 150 others`() throws {
    var samples = WeightSamples(seed: 6)
    let matrix = try samples.matrix(.float16, rows: 21, columns: 300)
    let x = samples.tensor([150, 300])
    let all = matrix.matmul(x)
    for token in [0, 1, 95, 96, 149] {
      #expect(sameBits(matrix.matmul(x.rows(token..<token + 1)), all.rows(token..<token + 1)))
    }
  }

  @Test func `some rows are those of all rows`() throws {
    var samples = WeightSamples(seed: 7)
    let matrix = try samples.matrix(.q4_1, rows: 9, columns: 64)
    let all = matrix.values(ofRows: 0..<9)
    #expect(matrix.values(ofRows: 4..<6) == Array(all[4 * 64..<6 * 64]))
    #expect(matrix.values(ofRows: 3..<3).isEmpty)
  }

  @Test func `a tensor is copied`() {
    var samples = WeightSamples(seed: 8)
    var tensor = samples.tensor([3, 5])
    let values = tensor.scalars
    let matrix = WeightMatrix(tensor)
    tensor[0, 0] = 99
    #expect(matrix.values(ofRows: 0..<3) == values)
  }

  @Test func `matrices without rows or without columns`() {
    #expect(WeightMatrix(.zeros([0, 4])).matmul(.zeros([2, 4])).shape == [2, 0])
    let bias = Tensor([1, 2, 3])
    #expect(WeightMatrix(.zeros([3, 0])).matmul(.zeros([1, 0]), bias: bias).scalars == [1, 2, 3])
  }

  @Test(arguments: [(2, 33, 68), (2, 32, 67), (2, 32, 69), (-2, 32, 68), (Int.max, 64, 68)])
  func `bytes that do not fit are refused`(rows: Int, columns: Int, bytes: Int) {
    let error = #expect(throws: InputError.self) {
      try WeightMatrix(
        AlignedBuffer(repeating: 0, count: bytes), .q8_0, rows: rows, columns: columns, source: "w")
    }
    #expect(error?.kind == .mismatch)
    #expect(
      error?.description
        == "w: found \(bytes) bytes, expected \(rows) x \(columns) weights, "
        + "34 bytes for each 32 of a row")
  }
}
