import Testing

@testable import BitCore

/// The largest outputs by a screen, against all outputs.
@Suite struct OutputScreenTests {
  /// The largest outputs by sorting all of them.
  static func expected(
    _ outputs: [Float], count: Int, within delta: Float = .infinity
  ) -> [LargestOutputs.Output] {
    let largest = outputs.lazy.filter { !$0.isNaN }.max() ?? 0
    let sorted = outputs.enumerated()
      .filter { !$0.element.isNaN && (delta == .infinity || $0.element >= largest - delta) }
      .sorted { $0.element != $1.element ? $0.element > $1.element : $0.offset < $1.offset }
    return sorted.prefix(count).map { LargestOutputs.Output(row: $0.offset, value: $0.element) }
  }

  /// Whether two lists are the same, bit for bit.
  static func areSame(_ a: [LargestOutputs.Output], _ b: [LargestOutputs.Output]) -> Bool {
    a.map(\.row) == b.map(\.row) && a.map(\.value.bitPattern) == b.map(\.value.bitPattern)
  }

  @Test(arguments: WeightType.allCases, [1, 2, 3])
  func `the largest outputs are those of the whole product`(type: WeightType, threads: Int) throws {
    var samples = WeightSamples(seed: 21)
    let pool = ThreadPool(threads: threads)
    let matrix = try samples.matrix(type, rows: 1003, columns: 256)
    for kernels in WeightSamples.kernelSets {
      let screen = try #require(OutputScreen(matrix, kernels: kernels, pool: pool))
      let x = samples.tensor([1, 256])
      let outputs = matrix.matmul(x, kernels: kernels, pool: pool).scalars
      for count in [1, 2, 3, 5, 8, 13, 21, 40, 900, 2000] {
        let found = screen.largest(
          of: x.pointer, count: count, rescoring: matrix, kernels: kernels, pool: pool)
        #expect(Self.areSame(found.outputs, Self.expected(outputs, count: count)))
        #expect(!found.containsNaN)
        #expect(found.rescoredRows >= min(count, 1003))
      }
    }
  }

  @Test func `few rows are rescored where some outputs stand out`() throws {
    var samples = WeightSamples(seed: 22)
    var values = samples.floats(4000 * 128)
    let x = samples.tensor([1, 128])
    for row in [17, 2900] {
      for column in 0..<128 { values[row * 128 + column] = x.scalars[column] }
    }
    let matrix = WeightMatrix(Tensor(values, shape: [4000, 128]))
    let screen = try #require(OutputScreen(matrix))
    let found = screen.largest(of: x.pointer, count: 2, rescoring: matrix)
    #expect(found.outputs.map(\.row) == [17, 2900])
    #expect(found.rescoredRows == 2)
  }

  @Test(arguments: [0, 0.5, 2, 1000] as [Float], [1, 7, 200])
  func `outputs within a distance of the maximum`(delta: Float, limit: Int) throws {
    var samples = WeightSamples(seed: 23)
    let matrix = try samples.matrix(.bfloat16, rows: 1500, columns: 96)
    let screen = try #require(OutputScreen(matrix))
    for _ in 0..<5 {
      let x = samples.tensor([1, 96])
      let found = screen.largest(of: x.pointer, count: limit, within: delta, rescoring: matrix)
      let outputs = matrix.matmul(x).scalars
      #expect(
        Self.areSame(found.outputs, Self.expected(outputs, count: limit, within: delta)))
    }
  }

  @Test func `of equal outputs the lower rows come first`() throws {
    var samples = WeightSamples(seed: 24)
    let row = samples.floats(64)
    let matrix = WeightMatrix(Tensor((0..<300).flatMap { _ in row }, shape: [300, 64]))
    let screen = try #require(OutputScreen(matrix))
    let x = samples.tensor([1, 64])
    for count in [1, 5, 40] {
      let found = screen.largest(of: x.pointer, count: count, rescoring: matrix)
      #expect(found.outputs.map(\.row) == Array(0..<count))
      #expect(found.rescoredRows == 300)
    }
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity, .greatestFiniteMagnitude])
  func `rows and activations that are not finite`(number: Float) throws {
    var samples = WeightSamples(seed: 25)
    var weights = samples.tensor([500, 40])
    let x = samples.tensor([1, 40])
    weights[123, 7] = number
    weights[124, 8] = -number
    var odd = x
    odd[0, 3] = number
    let matrix = WeightMatrix(weights)
    let screen = try #require(OutputScreen(matrix))
    for input in [x, odd, .zeros([1, 40])] {
      let outputs = matrix.matmul(input).scalars
      let found = screen.largest(of: input.pointer, count: 9, rescoring: matrix)
      #expect(Self.areSame(found.outputs, Self.expected(outputs, count: 9)))
      #expect(found.containsNaN == outputs.contains { $0.isNaN })
    }
  }

  @Test func `pieces are released in order and together are all rows`() throws {
    var samples = WeightSamples(seed: 26)
    let matrix = try samples.matrix(.float32, rows: 2500, columns: 1024)
    var released: [Range<Int>] = []
    let screen = OutputScreen(matrix) { released.append($0) }
    #expect(screen != nil)
    #expect(released.count == 2)
    #expect(released.first?.lowerBound == 0 && released.last?.upperBound == 2500)
    #expect(released.first?.upperBound == released.last?.lowerBound)
  }

  @Test func `rows that are too long have no screen`() {
    #expect(OutputScreen(WeightMatrix(.zeros([1, 65_537]))) == nil)
    #expect(OutputScreen(WeightMatrix(.zeros([1, 65_536]))) != nil)
  }
}
