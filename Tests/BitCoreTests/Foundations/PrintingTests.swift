import Testing

@testable import BitCore

/// How values print.
@Suite struct PrintingTests {
  @Test func `recipes`() {
    #expect(
      "\(QuantizationRecipe.b158)"
        == "QuantizationRecipe(weights: ternary, activations: 8 bits per token, epsilon 1e-05, "
        + "norm: rms, epsilon 1e-05)")
    #expect(
      "\(QuantizationRecipe.bitnet)"
        == "QuantizationRecipe(weights: sign, activations: 8 bits per tensor, norm: none)")
    var recipe = QuantizationRecipe.bitnet
    recipe.activations = ActivationQuantizer(bits: 4, range: .full)
    recipe.normalization = .group(2, epsilon: 0)
    #expect(
      "\(recipe)" == "QuantizationRecipe(weights: sign, activations: 4 bits per token, full range, "
        + "norm: group(2), epsilon 0.0)")
    #expect("\(Normalization.layer())" == "layer, epsilon 1e-05")
    #expect(
      "\(ActivationQuantizer(granularity: .block(64), epsilon: 0.5))"
        == "8 bits per block of 64, epsilon 0.5")
    #expect(
      ActivationQuantizer.Granularity.allCases.map(\.description) == [
        "tensor", "token", "block of 32", "block of 64", "block of 128", "block of 256",
      ])
  }

  @Test func `scales`() {
    #expect("\(WeightScales.groups([1]))" == "1 group of rows")
    #expect("\(WeightScales.groups([1, 2]))" == "2 groups of rows")
    #expect("\(WeightScales.blocks(columns: 64, [1, 2, 3]))" == "3 in blocks of 64 weights")
  }

  @Test func `matrices and layers`() throws {
    let matrix = WeightQuantizer.ternary.quantize(.zeros([20, 10]), groups: 2)
    #expect(
      "\(matrix)" == "CodeMatrix(rows: 20, columns: 10, alphabet: ternary, format: not packed, "
        + "scales: 2 groups of rows, bytes: \(matrix.byteCount))")
    let packed = matrix.packed()
    #expect(
      "\(packed)" == "CodeMatrix(rows: 20, columns: 10, alphabet: ternary, format: ternary2, "
        + "scales: 2 groups of rows, bytes: \(packed.byteCount))")
    let layer = try PackedBitLinear(matrix: packed, bias: .zeros([20]), recipe: .b158)
    #expect(
      "\(layer)" == "PackedBitLinear(inFeatures: 10, outFeatures: 20, bias: true, "
        + "format: ternary2, scales: 2 groups of rows, recipe: \(QuantizationRecipe.b158), "
        + "bytes: \(layer.byteCount))")
  }

  @Test(arguments: [(8, 6), (9, 12)])
  func `quantized tensors`(bits: Int, bytes: Int) {
    let quantized = ActivationQuantizer(bits: bits).quantize(.zeros([2, 3]))
    #expect("\(quantized)" == "QuantizedTensor(shape: [2, 3], bits: \(bits), bytes: \(bytes))")
  }
}
