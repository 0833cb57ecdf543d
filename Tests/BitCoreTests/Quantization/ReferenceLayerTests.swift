import Testing

@testable import BitCore

/// With one group, the integer sums before scaling are the output of the reference layer, with which
/// this package began: `y = int8(x) sign(W - mean W)^T`, one activation scale for the tensor.
///
/// Where a weight equals the mean, that layer has 0 and this one the paper's -1, so no weight here
/// does.
@Suite struct ReferenceLayerTests {
  @Test(
    arguments: try Golden.cases("bit1_forward", Golden.OneBit.self).filter {
      !["sign_of_zero", "constant_weight"].contains($0.name)
    })
  func `golden data`(golden: Golden.OneBit) {
    check(golden.x.tensor, golden.weight.tensor)
  }

  @Test(arguments: [(1, 1, 2), (5, 20, 10), (128, 20, 10), (3, 70, 301), (17, 9, 64), (2, 8, 784)])
  func `random data`(tokens: Int, outputs: Int, inputs: Int) {
    var generator = SeededGenerator(seed: UInt64(tokens * 1000 + outputs))
    let x = generator.normal([tokens, inputs], standardDeviation: 3)
    check(x, generator.uniform([outputs, inputs], bound: 0.3))
  }

  private func check(_ x: Tensor, _ weight: Tensor) {
    let quantized = QuantizationRecipe.bitnet.activations.quantize(x)
    let matrix = QuantizationRecipe.bitnet.weightQuantizer.quantize(weight)
    #expect(integerSums(matrix.packed(), quantized) == referenceLayer(x, weight))
  }

  private func referenceLayer(_ x: Tensor, _ weight: Tensor) -> [Int] {
    let scale = 127 / (x.scalars.map { abs($0) }.max() ?? 0)
    let codes = x.scalars.map { Int(($0 * scale).rounded(.toNearestOrEven)) }
    let mean = weight.doubles.reduce(0, +) / Double(weight.count)
    let signs = weight.doubles.map { $0 > mean ? 1 : $0 < mean ? -1 : 0 }
    let inputs = weight.shape[1]
    return stride(from: 0, to: codes.count, by: inputs).flatMap { token in
      stride(from: 0, to: signs.count, by: inputs).map { row in
        (0..<inputs).reduce(0) { $0 + codes[token + $1] * signs[row + $1] }
      }
    }
  }
}
