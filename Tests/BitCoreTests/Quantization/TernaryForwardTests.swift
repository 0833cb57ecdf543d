import Testing

@testable import BitCore

/// Ternary weights as in arXiv 2402.17764, against PyTorch in float64.
@Suite struct TernaryForwardTests {
  @Test func goldenFileIsComplete() throws {
    #expect(try Golden.cases("b158_forward", Golden.Ternary.self).count == 12)
  }

  @Test(arguments: try Golden.cases("b158_forward", Golden.Ternary.self))
  func `weights`(golden: Golden.Ternary) {
    let matrix = WeightQuantizer.ternary.quantize(golden.weight.tensor)
    #expect(matrix.codes.map { Int($0) } == golden.wq)
    #expect(
      difference(Tensor(matrix.groupScales), [golden.weightAbsmean], relative: 1e-6) == nil)
    #expect(matrix.packed().codes == matrix.codes)
    #expect(sameBits(matrix.values, WeightQuantizer.ternary.values(golden.weight.tensor)))
  }

  @Test(arguments: try Golden.cases("b158_forward", Golden.Ternary.self))
  func `activations`(golden: Golden.Ternary) {
    let quantized = quantizedInput(golden)
    #expect(quantized.codes == golden.xq)
    #expect(difference(Tensor(quantized.scales), golden.xInvScale, relative: 1e-6) == nil)
  }

  @Test(arguments: try Golden.cases("b158_forward", Golden.Ternary.self))
  func `integer sums and outputs`(golden: Golden.Ternary) {
    let matrix = WeightQuantizer.ternary.quantize(golden.weight.tensor)
    let quantized = quantizedInput(golden)
    #expect(integerSums(matrix, quantized) == golden.acc)
    let y = matrix.packed().matmul(quantized, bias: golden.bias.map(vector))
    #expect(y.shape.extents == golden.y.shape)
    let largest = golden.y.data.lazy.map { abs($0) }.max() ?? 0
    #expect(difference(y, golden.y.data, relative: 1e-5, absolute: 1e-5 * largest) == nil)
    // The integer product is at least as accurate as the float one.
    #expect(difference(y, golden.yFakequantF32, relative: 1e-5, absolute: 1e-5 * largest) == nil)
  }

  private func quantizedInput(_ golden: Golden.Ternary) -> QuantizedTensor {
    let x = golden.x.tensor
    let normalized = golden.normalization?(x, weight: golden.normWeight.map(vector)) ?? x
    return QuantizationRecipe.b158.activations.quantize(normalized)
  }
}

/// A vector from values in double.
func vector(_ values: [Double]) -> Tensor { Tensor(values.map { Float($0) }) }
