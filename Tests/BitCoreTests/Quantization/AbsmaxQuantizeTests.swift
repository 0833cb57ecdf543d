import Testing

@testable import BitCore

@Suite struct AbsmaxQuantizeTests {
  @Test func goldenFileIsComplete() throws {
    #expect(try Golden.cases("absmax", Golden.Absmax.self).count == 21)
  }

  @Test(arguments: try Golden.cases("absmax", Golden.Absmax.self))
  func `equals PyTorch`(golden: Golden.Absmax) throws {
    let x = golden.tensor
    let (quantized, dequantized) = absmaxQuantize(x, bits: golden.bits)
    #expect(quantized.shape == x.shape)
    #expect(quantized.bits == golden.bits)

    // The reference divides zero by zero here; the right values are zeros.
    let codes = golden.quant ?? [Int](repeating: 0, count: x.count)
    let values = golden.dequant ?? [Double](repeating: 0, count: x.count)
    #expect(quantized.codes == codes)
    #expect((quantized.narrow != nil) == (golden.bits <= 8))
    #expect((quantized.wide != nil) == (golden.bits > 8))
    if let scale = golden.scale { #expect(quantized.scales.allSatisfy { $0 == Float(scale) }) }
    for (value, expected) in zip(dequantized.scalars, values) {
      #expect(abs(value - Float(expected)) <= Float(expected).ulp)
    }
  }

  @Test func `one scale for each row`() {
    let x = Tensor([1, 2, -4, 0, 0, 0, 127, 63.5, -1], shape: [3, 3])
    let (quantized, dequantized) = absmaxQuantize(x, granularity: .token)
    // 63.5 is a tie between 63 and 64: half to even.
    #expect(quantized.codes == [32, 64, -127, 0, 0, 0, 127, 64, -1])
    #expect(quantized.scales[0] == 31.75)
    #expect(quantized.scales[2] == 1)
    #expect(dequantized.rows(1..<2) == .zeros([1, 3]))
    #expect(dequantized.rows(2..<3).scalars == [127, 64, -1])
  }

  @Test func `the paper's code range reaches -128 and stops at 127`() {
    let quantized = ActivationQuantizer(range: .full).quantize(Tensor([-2, 2, 1, -1]))
    #expect(quantized.codes == [-128, 127, 64, -64])
    #expect(quantized.scales == [64])
  }

  @Test func `epsilon bounds the scale`() {
    let quantized = ActivationQuantizer(epsilon: 0.5).quantize(Tensor([0.25, -0.125, 0]))
    #expect(quantized.scales == [254])
    // 63.5 and -31.75.
    #expect(quantized.codes == [64, -32, 0])
  }

  @Test(arguments: [Shape([]), [3], [2, 3], [2, 0], [0, 3], [2, 2, 5]])
  func `any shape goes`(shape: Shape) {
    var generator = SeededGenerator(seed: 1)
    let x = generator.normal(shape)
    for granularity in ActivationQuantizer.Granularity.allCases {
      for bits in [8, 12] {
        let (quantized, dequantized) = absmaxQuantize(x, bits: bits, granularity: granularity)
        #expect(quantized.codes.count == shape.scalarCount)
        #expect(quantized.scales.count == shape.rows)
        #expect(quantized.blocksPerRow == 1)
        #expect(dequantized.shape == shape)
      }
    }
  }
}
