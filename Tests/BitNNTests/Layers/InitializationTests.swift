import BitCore
import BitFormats
import TestSupport
import Testing

@testable import BitNN

/// Kaiming uniform with a = sqrt(5): U(-1/sqrt(in), 1/sqrt(in)).
@Suite struct InitializationTests {
  @Test(arguments: [(10, 2000), (64, 300), (400, 50)])
  func weightsAndBiasesFillTheirRange(inFeatures: Int, outFeatures: Int) {
    let bound = 1 / Float(inFeatures).squareRoot()
    var generator = SeededGenerator(seed: 5)
    let layer = BitLinear(inFeatures, outFeatures, bias: true, using: &generator)
    #expect(layer.weight.shape == [outFeatures, inFeatures])
    let values = layer.weight.scalars
    #expect(values.allSatisfy { abs($0) <= bound })
    #expect(values.max().map { $0 > 0.99 * bound } == true)
    #expect(values.min().map { $0 < -0.99 * bound } == true)
    let mean = values.reduce(0, +) / Float(values.count)
    let square = values.reduce(0) { $0 + $1 * $1 } / Float(values.count)
    #expect(abs(mean) < 0.02 * bound)
    #expect(abs(square - bound * bound / 3) < 0.02 * bound * bound)
    let bias = layer.bias?.scalars ?? []
    #expect(bias.count == outFeatures)
    #expect(bias.allSatisfy { abs($0) <= bound } && Set(bias).count > 1)
  }

  @Test func seedDeterminesTheLayer() {
    func pair(_ seed: UInt64) -> (Linear, BitLinear) {
      var (a, b) = (SeededGenerator(seed: seed), SeededGenerator(seed: seed))
      return (Linear(9, 7, using: &a), BitLinear(9, 7, bias: true, recipe: .b158, using: &b))
    }
    #expect(sameParameters(pair(1).0, pair(1).0))
    // A float layer and its quantized twin start from the same latent weights.
    #expect(sameParameters(pair(1).0, pair(1).1))
    #expect(!sameParameters(pair(1).0, pair(2).0))
  }

  @Test func freshLayersDiffer() {
    #expect(!sameParameters(BitLinear(4, 4), BitLinear(4, 4)))
    #expect(!sameParameters(Linear(4, 4), Linear(4, 4)))
  }

  @Test func biasIsOptional() {
    #expect(BitLinear(4, 3).parameters().map(\.name) == ["weight"])
    #expect(BitLinear(4, 3, bias: true).parameters().map(\.name) == ["weight", "bias"])
    #expect(Linear(4, 3).parameters().map(\.name) == ["weight", "bias"])
    #expect(Linear(4, 3, bias: false).parameters().map(\.name) == ["weight"])
    let learned = BitLinear(4, 3, recipe: .b158, learnsNorm: true)
    #expect(learned.parameters().map(\.name) == ["weight", "norm.weight"])
    var recipe = QuantizationRecipe.b158
    recipe.normalization = .layer()
    let centered = BitLinear(4, 3, recipe: recipe, learnsNorm: true)
    #expect(centered.parameters().map(\.name) == ["weight", "norm.weight", "norm.bias"])
  }

  @Test func resettingDrawsNewParameters() {
    var generator = SeededGenerator(seed: 8)
    var layer = BitLinear(6, 4, bias: true, recipe: .b158, learnsNorm: true)
    layer.setParameters(["norm.weight": random([6])])
    let first = layer
    layer.resetParameters(using: &generator)
    #expect(!sameBits(layer.weight, first.weight))
    #expect(layer.bias != first.bias)
    #expect(layer.normWeight?.scalars == [1, 1, 1, 1, 1, 1])

    var packed = Pair(Linear(6, 4), Linear(4, 2)).quantized(.bitnet).packed()
    packed.first.resetParameters(using: &generator)
    #expect(packed.first.bitLinear?.isPacked == false)
    #expect(packed.first.bitLinear?.weight.shape == [4, 6])
    #expect(packed.first(random([2, 6])).shape == [2, 4])
  }
}
