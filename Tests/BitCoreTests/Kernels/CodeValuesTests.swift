import Testing

@testable import BitCore

/// The numbers that codes stand for, as floats and as bfloat16.
@Suite struct CodeValuesTests {
  @Test(
    arguments: WeightAlphabet.allCases, [(1, 1), (3, 7), (64, 96), (67, 130), (70, 263), (130, 64)])
  func `values of a matrix by a plain loop`(alphabet: WeightAlphabet, size: (Int, Int)) throws {
    let (rows, columns) = size
    let product = CodeProduct(tokens: 1, rows: rows, columns: columns, alphabet: alphabet)
    for scales in product.scales {
      let layout = scales.layout(rows: rows, columns: columns)
      let expected = Tensor(
        (0..<rows * columns).map {
          let scale = scales.values[layout.index(row: $0 / columns, column: $0 % columns)]
          return Float(product.codes[$0]) * scale
        }, shape: [rows, columns])
      for matrix in try product.matrices(scales) {
        for name in CPU.usableKernelNames {
          let matrix = matrix.adapted(to: try #require(KernelSet(named: name)))
          #expect(sameBits(matrix.values, expected), "\(matrix) for \(name)")
          let halves = Guarded<UInt16>(count: rows * columns)
          matrix.writeValues(to: .bfloat16(halves.pointer))
          #expect(halves.values == expected.scalars.map(HalfPrecision.bf16), "\(matrix), \(name)")
          #expect(halves.isIntact)
        }
      }
    }
  }

  /// Products of a code and a scale that no packed layer has, but a matrix may.
  @Test(arguments: WeightAlphabet.allCases)
  func `values of scales that are not finite`(alphabet: WeightAlphabet) throws {
    let codes: [Int8] = alphabet == .sign ? [1, -1] : [1, 0, -1]
    for scale in [Float.nan, .infinity, -.infinity, -2, -0.0, .leastNonzeroMagnitude, 3.4e38] {
      let matrix = try CodeMatrix(
        codes: codes, rows: 1, columns: codes.count, alphabet: alphabet, groupScales: [scale])
      let expected = codes.map { Float($0) * scale }
      // The sign of a NaN is not defined.
      let isSame = zip(matrix.values.scalars, expected).allSatisfy {
        $0.bitPattern == $1.bitPattern || $0.isNaN && $1.isNaN
      }
      #expect(isSame, "\(scale)")
      let halves = Guarded<UInt16>(count: codes.count)
      matrix.writeValues(to: .bfloat16(halves.pointer))
      let isSameHalf = zip(halves.values, expected).allSatisfy {
        $0 == HalfPrecision.bf16($1) || HalfPrecision.float(bf16: $0).isNaN && $1.isNaN
      }
      #expect(isSameHalf, "\(scale)")
    }
  }

  @Test(arguments: WeightAlphabet.allCases) func `values of weights`(alphabet: WeightAlphabet) {
    let weight = random([6, 37])
    let quantizer = WeightQuantizer(alphabet)
    let statistics = quantizer.statistics(of: weight, groups: 2)
    let expected = quantizer.quantize(weight, groups: 2).values
    #expect(sameBits(quantizer.values(weight, groups: 2), expected))
    let halves = Guarded<UInt16>(count: 6 * 37)
    quantizer.writeValues(weight, statistics: statistics, to: .bfloat16(halves.pointer))
    #expect(halves.values == expected.scalars.map(HalfPrecision.bf16))
    #expect(halves.isIntact)
  }

  @Test(arguments: [4, 12], [.tensor, .token, .block(32)] as [ActivationQuantizer.Granularity])
  func `values of activations`(bits: Int, granularity: ActivationQuantizer.Granularity) {
    var x = random([3, 70])
    x[1, 5] = .nan
    let quantized = ActivationQuantizer(bits: bits, granularity: granularity).quantize(x)
    let halves = Guarded<UInt16>(count: 3 * 70)
    quantized.dequantize(to: .bfloat16(halves.pointer))
    let values = quantized.dequantized()
    #expect((0..<70).allSatisfy { values[1, $0].isNaN && values[0, $0].isFinite })
    #expect(halves.values == values.scalars.map(HalfPrecision.bf16))
    #expect(halves.isIntact)
  }
}
