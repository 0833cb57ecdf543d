import Testing

@testable import BitCore

/// Sign weights as in arXiv 2310.11453, against PyTorch in float64.
@Suite struct OneBitForwardTests {
  @Test func goldenFileIsComplete() throws {
    #expect(try Golden.cases("bit1_forward", Golden.OneBit.self).count == 13)
  }

  @Test(arguments: try Golden.cases("bit1_forward", Golden.OneBit.self))
  func `weights`(golden: Golden.OneBit) {
    let weight = golden.weight.tensor
    let matrix = WeightQuantizer.sign.quantize(weight, groups: golden.groups)
    let statistics = WeightQuantizer.sign.statistics(of: weight, groups: golden.groups)
    #expect(matrix.codes.map { Int($0) } == golden.sign)
    #expect(
      difference(Tensor(statistics.map(\.parameter)), golden.alpha, relative: 1e-6, absolute: 1e-12)
        == nil)
    #expect(difference(Tensor(matrix.groupScales), golden.beta, relative: 1e-6) == nil)
    #expect(matrix.packed().codes == matrix.codes)
    #expect(sameBits(matrix.values, WeightQuantizer.sign.values(weight, groups: golden.groups)))
  }

  @Test(arguments: try Golden.cases("bit1_forward", Golden.OneBit.self))
  func `activations`(golden: Golden.OneBit) {
    let quantized = quantizedInput(golden)
    #expect(quantized.codes == golden.xq)
    let scales = golden.gamma.map { golden.qb / $0 }
    let expected =
      golden.activation == "per_token" ? scales : quantized.scales.map { _ in scales[0] }
    #expect(difference(Tensor(quantized.scales), expected, relative: 1e-6) == nil)
  }

  @Test(arguments: try Golden.cases("bit1_forward", Golden.OneBit.self))
  func `integer sums and outputs`(golden: Golden.OneBit) {
    let matrix = WeightQuantizer.sign.quantize(golden.weight.tensor, groups: golden.groups)
    let quantized = quantizedInput(golden)
    #expect(integerSums(matrix, quantized) == golden.acc)
    let y = matrix.packed().matmul(quantized, bias: golden.bias?.tensor)
    #expect(y.shape.extents == golden.y.shape)
    #expect(difference(y, golden.y.data, relative: 1e-5, absolute: 1e-5) == nil)
  }

  private func quantizedInput(_ golden: Golden.OneBit) -> QuantizedTensor {
    let x = golden.x.tensor
    return golden.quantizer.quantize(golden.normalization?(x) ?? x)
  }
}

/// The sums of code * code that the kernels compute, seen through scales of 1.
func integerSums(_ matrix: CodeMatrix, _ x: QuantizedTensor) -> [Int] {
  let unscaledInput = QuantizedTensor(uninitialized: x.shape, bits: x.bits, blockColumns: nil)
  unscaledInput.memory.pointer.update(from: x.memory.pointer, count: x.memory.count)
  unscaledInput.inverseScales.update(repeating: 1, count: x.layout.count)
  do {
    let unscaledMatrix = try CodeMatrix(
      codes: matrix.codes, rows: matrix.rows, columns: matrix.columns, alphabet: matrix.alphabet,
      groupScales: [1])
    return unscaledMatrix.matmul(unscaledInput).scalars.map { Int($0) }
  } catch {
    Issue.record(error)
    return []
  }
}
