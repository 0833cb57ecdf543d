import BitBLAS
import Testing

@testable import BitCore

/// Straight-through gradients against PyTorch's autograd in float64.
@Suite struct StraightThroughTests {
  @Test func goldenFileIsComplete() throws {
    #expect(try Golden.cases("ste_grads", Golden.StraightThrough.self).count == 16)
  }

  @Test(
    arguments: try Golden.cases("ste_grads", Golden.StraightThrough.self), ["portable", "blas"])
  func `outputs and gradients`(golden: Golden.StraightThrough, matmul: String) {
    let x = golden.x.tensor
    let normWeight = golden.normWeight.map(vector)
    let normBias = golden.normBias.map(vector)
    let quantization = QuantizationRecipe(
      weights: golden.weightMode == "bit1" ? .sign : .ternary,
      activations: ActivationQuantizer(epsilon: 1e-5), normalization: golden.normalization)
    let strength = QuantizationStrength(
      weights: golden.quantWeight ? Float(golden.lam) : 0,
      activations: golden.quantAct ? Float(golden.lam) : 0)

    let normalized = golden.normalization?(x, weight: normWeight, bias: normBias) ?? x
    let operation = BitLinearOperation(
      normalized, weight: golden.weight.tensor, bias: golden.bias.map(vector),
      recipe: quantization, groups: golden.groups, strength: strength,
      matmul: matmul == "blas" ? .blas : .portable)
    check("y", operation.output, golden.y.data, shape: golden.y.shape)

    let gradients = operation.reverse(upstream: golden.dy.tensor)
    check("dw", gradients.weight, golden.dw.data, shape: golden.dw.shape)
    check("dbias", gradients.bias, golden.dbias)
    let before = golden.normalization?.reverse(
      x, weight: normWeight, bias: normBias, upstream: gradients.input)
    check("dx", before?.input ?? gradients.input, golden.dx.data, shape: golden.dx.shape)
    check("dnorm_weight", before?.weight, golden.dnormWeight)
    check("dnorm_bias", before?.bias, golden.dnormBias)

    let withoutInput = operation.reverse(upstream: golden.dy.tensor, wantsInput: false)
    #expect(withoutInput.input == .zero)
    #expect(sameBits(withoutInput.weight, gradients.weight))
  }

  private func check(_ name: Comment, _ actual: Tensor?, _ expected: [Double]?, shape: [Int]? = nil)
  {
    #expect((actual == nil) == (expected == nil), name)
    guard let actual, let expected else { return }
    #expect(actual.shape.extents == shape ?? [expected.count], name)
    #expect(difference(actual, expected, relative: 0, absolute: 2e-5) == nil, name)
  }
}
