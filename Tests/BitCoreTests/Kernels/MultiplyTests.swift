import Testing

@testable import BitCore

/// The product of codes, for every set of kernels and every way to store codes, against a plain
/// loop over integers.
@Suite struct MultiplyTests {
  static let tokenCounts = Array(1...9) + [16, 33]
  static let rowCounts = Array(1...17) + [24, 25, 70]
  static let columnCounts =
    Array(1...9) + [
      15, 16, 17, 24, 31, 32, 33, 47, 48, 49, 63, 64, 65, 127, 128, 129, 255, 256, 257, 300, 784,
    ]

  @Test(arguments: columnCounts, WeightQuantizer.allCases)
  func `random codes`(columns: Int, alphabet: WeightQuantizer) throws {
    let problem = Problem(tokens: 33, rows: 70, columns: columns, alphabet: alphabet)
    for rows in Self.rowCounts {
      for (kernels, matrix) in try problem.matrices(rows: rows) {
        for tokens in Self.tokenCounts {
          let y = matrix.multiply(
            problem.quantized[tokens] ?? problem.all, bias: problem.bias.rows(0..<rows),
            kernels: kernels, pool: Self.pool)
          #expect(problem.matches(y, tokens: tokens, rows: rows))
        }
      }
    }
  }

  /// One token runs straight from packed codes, in blocks of many columns and rows.
  @Test(arguments: [1023, 1024, 1025, 2047, 2048, 2560], WeightQuantizer.allCases)
  func `long rows`(columns: Int, alphabet: WeightQuantizer) throws {
    let problem = Problem(tokens: 2, rows: 137, columns: columns, alphabet: alphabet)
    for rows in [1, 128, 137] {
      for (kernels, matrix) in try problem.matrices(rows: rows) {
        for tokens in 1...2 {
          let y = matrix.multiply(
            problem.quantized[tokens] ?? problem.all, bias: problem.bias.rows(0..<rows),
            kernels: kernels, pool: Self.pool)
          #expect(problem.matches(y, tokens: tokens, rows: rows))
        }
      }
    }
  }

  @Test(arguments: [1, 4, 31, 32, 255, 256, 257, 300, 784, 2560], [1, 4, 5, 33])
  func `extreme codes do not overflow`(columns: Int, tokens: Int) throws {
    for (range, value, code) in [
      (ActivationQuantizer.CodeRange.symmetric, Float(1), 127), (.symmetric, -1, -127),
      (.full, -1, -128),
    ] {
      let x = ActivationQuantizer(range: range)
        .quantize(Tensor(repeating: value, shape: [tokens, columns]))
      #expect(x.codes.allSatisfy { $0 == code })
      for (alphabet, weight) in [
        (WeightQuantizer.sign, Int8(1)), (.sign, -1), (.ternary, 1), (.ternary, 0), (.ternary, -1),
      ] {
        let weights = Tensor(repeating: Float(weight), shape: [25, columns])
        let unpacked = alphabet.quantize(weights, statistics: [.init(mean: 0, scale: 1)])
        let expected = Float(Int(weight) * code * columns) * (1 / x.scales[0])
        for matrix in [unpacked, unpacked.packed()] {
          for name in CPU.usableKernelNames {
            let y = matrix.multiply(
              x, bias: nil, kernels: try #require(Kernels(named: name)), pool: Self.pool)
            #expect(y == Tensor(repeating: expected, shape: [tokens, 25]))
          }
        }
      }
    }
  }

  @Test(arguments: [1, 2, 3, 4, 6, 8, 12, 24], WeightQuantizer.allCases)
  func `groups of rows`(groups: Int, alphabet: WeightQuantizer) throws {
    let (weight, x) = (random([24, 50]), ActivationQuantizer().quantize(random([5, 50], seed: 8)))
    let matrix = alphabet.quantize(weight, groups: groups)
    let sums = Problem.sums(
      matrix.codes.map { Int($0) }, x.codes, rows: 24, tokens: 5, columns: 50)
    let expected = (0..<120).map { i in
      Float(sums[i]) * matrix.groupScales[i % 24 / (24 / groups)] * (1 / x.scales[i / 24])
    }
    #expect(Set(matrix.groupScales).count == groups)
    for stored in [matrix, matrix.packed()] {
      for name in CPU.usableKernelNames {
        let y = stored.multiply(
          x, bias: nil, kernels: try #require(Kernels(named: name)), pool: Self.pool)
        #expect(y.scalars == expected)
      }
    }
  }

  @Test(arguments: WeightQuantizer.allCases, 9...16)
  func `wide codes`(alphabet: WeightQuantizer, bits: Int) throws {
    for columns in [1, 31, 33, 256, 300] {
      let matrix = alphabet.quantize(random([11, columns]))
      for range in [ActivationQuantizer.CodeRange.symmetric, .full] {
        let x = ActivationQuantizer(bits: bits, range: range)
          .quantize(random([3, columns], seed: 2))
        let sums = Problem.sums(
          matrix.codes.map { Int($0) }, x.codes, rows: 11, tokens: 3, columns: columns)
        let expected = (0..<33).map { i in
          Float(sums[i]) * matrix.groupScales[0] * (1 / x.scales[i / 11])
        }
        for stored in [matrix, matrix.packed()] {
          for name in CPU.usableKernelNames {
            let y = stored.multiply(
              x, bias: nil, kernels: try #require(Kernels(named: name)), pool: Self.pool)
            #expect(y.scalars == expected)
          }
        }
      }
    }
  }

  private static let pool = ThreadPool(threads: 1)
}

/// A product with what is expected of it; parts of it are products of their own.
private struct Problem {
  let columns: Int
  let alphabet: WeightQuantizer
  let bias: Tensor
  let all: QuantizedTensor
  /// The first tokens, by their number.
  let quantized: [Int: QuantizedTensor]
  private let weights: Tensor
  private let scales: [Float]
  private let expected: [Float]

  init(tokens: Int, rows: Int, columns: Int, alphabet: WeightQuantizer) {
    self.columns = columns
    self.alphabet = alphabet
    var generator = SeededGenerator(seed: UInt64(columns))
    let codes = generator.integers(rows * columns, in: -1...1)
      .map { alphabet == .sign && $0 == 0 ? 1 : $0 }
    let scales = (0..<rows).map { _ in generator.nextUniform() + 0.5 }
    let x = generator.normal([tokens, columns])
    let all = ActivationQuantizer().quantize(x)
    let bias = generator.normal([rows])
    let sums = Self.sums(codes, all.codes, rows: rows, tokens: tokens, columns: columns)
    expected = sums.indices.map { i in
      Float(sums[i]) * scales[i % rows] * (1 / all.scales[i / rows]) + bias[i % rows]
    }
    // Latent weights that have these codes under these scales.
    weights = Tensor(
      codes.indices.map { Float(codes[$0]) * scales[$0 / columns] }, shape: [rows, columns])
    quantized = Dictionary(
      uniqueKeysWithValues: MultiplyTests.tokenCounts.filter { $0 <= tokens }.map {
        ($0, ActivationQuantizer().quantize(x.rows(0..<$0)))
      })
    self.all = all
    self.scales = scales
    self.bias = bias
  }

  /// The first rows as a matrix, a scale for each row, by every set of kernels, both stored.
  func matrices(rows: Int) throws -> [(Kernels, PackedMatrix)] {
    let weight = weights.rows(0..<rows)
    let statistics = scales.prefix(rows).map { WeightQuantizer.Statistics(mean: 0, scale: $0) }
    return try CPU.usableKernelNames.flatMap { name in
      let kernels = try #require(Kernels(named: name))
      let matrix = alphabet.quantize(weight, statistics: statistics, kernels: kernels)
      return [(kernels, matrix), (kernels, matrix.packed())]
    }
  }

  /// Whether `y` is the block of the first tokens and rows, bit for bit.
  func matches(_ y: Tensor, tokens: Int, rows: Int) -> Bool {
    y.shape == [tokens, rows]
      && (0..<tokens).allSatisfy { token in
        y.withUnsafePointer { y in
          UnsafeBufferPointer(start: y + token * rows, count: rows)
            .elementsEqual(expected[token * bias.count..<token * bias.count + rows])
        }
      }
  }

  /// The sums over columns of code * code, `[tokens, rows]`.
  static func sums(
    _ codes: [Int], _ x: [Int], rows: Int, tokens: Int, columns: Int
  ) -> [Int] {
    codes.withUnsafeBufferPointer { codes in
      x.withUnsafeBufferPointer { x in
        (0..<tokens * rows).map { i in
          let (token, row) = (i / rows * columns, i % rows * columns)
          var sum = 0
          var column = 0
          while column < columns {
            sum &+= codes[row &+ column] &* x[token &+ column]
            column &+= 1
          }
          return sum
        }
      }
    }
  }
}
