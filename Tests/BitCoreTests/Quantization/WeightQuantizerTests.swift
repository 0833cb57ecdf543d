import Testing

@testable import BitCore

/// Latent weights to codes and scales, by the formulas of the papers.
@Suite struct WeightQuantizerTests {
  /// Weights whose sums are exact in double, in whatever order they are added: multiples of 2^-10
  /// below 4.
  private func exactWeights(_ rows: Int, _ columns: Int) -> Tensor {
    var generator = SeededGenerator(seed: UInt64(columns))
    return Tensor(
      generator.integers(rows * columns, in: -4095...4095).map { Float($0) / 1024 },
      shape: [rows, columns])
  }

  @Test(arguments: PackedFormat.allCases, WeightScales.blockLengths)
  func `a scale for each block of weights`(format: PackedFormat, length: Int) {
    for (rows, columns) in [(1, 1), (3, 63), (16, 64), (17, 65), (5, 256), (70, 300), (2, 513)] {
      let weight = exactWeights(rows, columns)
      let matrix = WeightQuantizer(format.alphabet).quantize(
        weight, blockColumns: length, format: format)
      let (scales, codes) = plain(weight, format.alphabet, length)
      #expect(matrix.scales == .blocks(columns: length, scales))
      #expect(matrix.codes == codes)
      #expect((matrix.rows, matrix.columns) == (rows, columns))
      #expect((matrix.format, matrix.alphabet) == (format, format.alphabet))
    }
  }

  @Test(arguments: WeightAlphabet.allCases)
  func `blocks as long as a row are rows with a scale each`(alphabet: WeightAlphabet) {
    for columns in [1, 50, 64] {
      let weight = exactWeights(20, columns)
      let rows = WeightQuantizer(alphabet).quantize(weight, groups: 20)
      let blocks = WeightQuantizer(alphabet).quantize(weight, blockColumns: 64)
      #expect(blocks.scales == .blocks(columns: 64, rows.groupScales))
      #expect(blocks.codes == rows.codes)
      #expect(blocks.format == alphabet.defaultFormat)
      #expect(blocks.values == rows.values)
    }
  }

  @Test(arguments: PackedFormat.allCases, [1, 2, 10, 70])
  func `quantizing to a format packs at once`(format: PackedFormat, groups: Int) {
    let weight = random([70, 333])
    let direct = WeightQuantizer(format.alphabet).quantize(weight, groups: groups, format: format)
    let packed = WeightQuantizer(format.alphabet).quantize(weight, groups: groups).packed(
      as: format)
    #expect((direct.format, packed.format) == (format, format))
    #expect(direct.codes == packed.codes)
    #expect(direct.scales == packed.scales)
    #expect(direct.groupScales.count == groups)
    #expect(direct.byteCount == packed.byteCount)
    let x = ActivationQuantizer().quantize(random([3, 333], seed: 8))
    #expect(sameBits(direct.matmul(x), packed.matmul(x)))
    // The bytes themselves, except for padding.
    #expect(direct.packedRows == packed.packedRows)
  }

  @Test(arguments: [Float(0), 1e-7, -1e-7])
  func `blocks of weights that are nearly zero`(value: Float) {
    var weight = Tensor(repeating: value, shape: [2, 130])
    weight[1, 70] = 64
    let ternary = WeightQuantizer.ternary.quantize(weight, blockColumns: 64)
    #expect(ternary.scales.values[0] == 1e-5)
    #expect(ternary.scales.values[2] == 1e-5)
    #expect(abs(ternary.scales.values[4] - 1) < 1e-6)
    #expect(ternary.codes.indices.filter { ternary.codes[$0] != 0 } == [200])
    let sign = WeightQuantizer.sign.quantize(weight, blockColumns: 64)
    #expect(sign.scales.values[0] == abs(value))
    #expect(sign.codes.indices.filter { sign.codes[$0] == 1 } == [200])
  }

  @Test(arguments: WeightAlphabet.allCases, [Float.nan, .infinity])
  func `a weight that is not finite shows in its row and in no other`(
    alphabet: WeightAlphabet, value: Float
  ) {
    var weight = random([4, 200])
    weight[1, 130] = value
    let matrix = WeightQuantizer(alphabet).quantize(weight, blockColumns: 64)
    #expect(matrix.scales.values.indices.filter { !matrix.scales.values[$0].isFinite } == [6])
    for tokens in [1, 33] {
      let y = matrix.matmul(ActivationQuantizer().quantize(random([tokens, 200], seed: 2)))
      for token in 0..<tokens {
        for row in 0..<4 { #expect(y[token, row].isFinite == (row != 1)) }
      }
    }
  }

  @Test func `block lengths that cannot be are refused`() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = WeightQuantizer.ternary.quantize(.zeros([2, 96]), blockColumns: 32)
    }
    expectMessage(result, "blocks have 64, 128 or 256 weights, not 32")
  }

  /// Scales `[rows, blocks]` and codes by the formulas.
  private func plain(
    _ weight: Tensor, _ alphabet: WeightAlphabet, _ length: Int
  ) -> (scales: [Float], codes: [Int8]) {
    let columns = weight.shape[1]
    let values = weight.scalars
    var scales: [Float] = []
    var codes: [Int8] = []
    for row in 0..<weight.shape[0] {
      for start in stride(from: 0, to: columns, by: length) {
        let block = values[row * columns + start..<row * columns + min(columns, start + length)]
        let count = Double(block.count)
        let mean = Float(block.reduce(0) { $0 + Double($1) } / count)
        let magnitude = Float(block.reduce(0) { $0 + abs(Double($1)) } / count)
        let scale = alphabet == .sign ? magnitude : max(magnitude, 1e-5)
        scales.append(scale)
        codes += block.map { value in
          switch alphabet {
          case .sign: value > mean ? 1 : -1
          case .ternary:
            Int8(min(max((value * (1 / scale)).rounded(.toNearestOrEven), -1), 1))
          }
        }
      }
    }
    return (scales, codes)
  }
}
