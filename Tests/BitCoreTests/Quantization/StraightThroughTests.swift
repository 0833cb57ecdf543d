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

    let operation = BitLinearOperation(
      weight: golden.weight.tensor, bias: golden.bias.map(vector), normWeight: normWeight,
      normBias: normBias, recipe: quantization, groups: golden.groups, strength: strength,
      matmul: matmul == "blas" ? .blas : .portable)
    let (y, context) = operation.forward(x)
    check("y", y, golden.y.data, shape: golden.y.shape)

    let dy = golden.dy.tensor
    let gradients = operation.reverse(upstream: dy, context: context)
    check("dw", gradients.weight, golden.dw.data, shape: golden.dw.shape)
    check("dbias", gradients.bias, golden.dbias)
    check("dx", gradients.input, golden.dx.data, shape: golden.dx.shape)
    check("dnorm_weight", gradients.normWeight, golden.dnormWeight)
    check("dnorm_bias", gradients.normBias, golden.dnormBias)

    let withoutInput = operation.reverse(upstream: dy, context: context, wantsInput: false)
    #expect(withoutInput.input == .zero)
    expectSame(withoutInput, gradients, input: false)

    // Without the context and into a caller's memory, as for other languages.
    let memory = [gradients.input, gradients.weight].map {
      AlignedBuffer<Float>(repeating: .nan, count: $0.count)
    }
    let again = operation.reverse(
      x, upstream: dy, context: nil,
      wanted: BitLinearOperation.Wanted(
        input: .memory(memory[0].pointer), weight: .memory(memory[1].pointer),
        bias: golden.bias != nil, norm: true))
    expectSame(again, gradients)
    #expect(again.input.pointer == UnsafePointer(memory[0].pointer))
    #expect(again.weight.pointer == UnsafePointer(memory[1].pointer))
    withExtendedLifetime(memory) {}
  }

  private func expectSame(
    _ a: BitLinearOperation.Gradients, _ b: BitLinearOperation.Gradients, input: Bool = true
  ) {
    #expect(!input || sameBits(a.input, b.input))
    #expect(sameBits(a.weight, b.weight))
    for (a, b) in [(a.bias, b.bias), (a.normWeight, b.normWeight), (a.normBias, b.normBias)] {
      #expect(a?.scalars.map(\.bitPattern) == b?.scalars.map(\.bitPattern))
    }
  }

  private func check(_ name: Comment, _ actual: Tensor?, _ expected: [Double]?, shape: [Int]? = nil)
  {
    #expect((actual == nil) == (expected == nil), name)
    guard let actual, let expected else { return }
    #expect(actual.shape.extents == shape ?? [expected.count], name)
    #expect(difference(actual, expected, relative: 0, absolute: 2e-5) == nil, name)
  }
}
