import BitCore
import BitFormats
import TestSupport
import Testing
import _Differentiation

@testable import BitNN

/// Defects of the reference's layer that concern training, mended.
@Suite struct TrainingDefectTests {
  /// The reference's sign() has no gradient: five steps leave its weights as they are.
  @Test(arguments: ["bitnet", "b158"])
  func stepsChangeTheWeights(_ name: String) throws {
    let recipe = try #require(QuantizationRecipe.named(name))
    var generator = SeededGenerator(seed: 1)
    var layer = BitLinear(10, 20, groups: 2, recipe: recipe, using: &generator)
    let (x, target) = (random([32, 10], seed: 2), random([32, 20], seed: 3))
    let (gradient, inputGradient) = gradient(at: layer, x) {
      meanSquaredError($0($1), target: target)
    }
    #expect(gradient.weight.scalars.allSatisfy { $0 != 0 })
    #expect(inputGradient.shape == x.shape)
    #expect(inputGradient.scalars.contains { $0 != 0 })

    var sgd = SGD(learningRate: 1)
    var losses: [Float] = []
    for _ in 0..<5 {
      let before = layer.weight
      let (loss, gradient) = valueWithGradient(at: layer) {
        meanSquaredError($0(x), target: target)
      }
      losses.append(loss)
      sgd.update(&layer, along: gradient)
      #expect(!sameBits(layer.weight, before))
    }
    #expect(try #require(losses.last) < losses[0])
  }

  /// The reference has no bias; another implementation drops it, a third one divides it.
  @Test(arguments: ["bitnet", "b158"])
  func biasIsAddedAfterTheScales(_ name: String) throws {
    let recipe = try #require(QuantizationRecipe.named(name))
    let (weight, bias, x) = (random([6, 8]), random([6], seed: 2), random([5, 8], seed: 3))
    let with = BitLinear(weight: weight, bias: bias, groups: 3, recipe: recipe)
    var expected = BitLinear(weight: weight, groups: 3, recipe: recipe)(x)
    expected.addToRows(bias)
    #expect(sameBits(with(x), expected))
    let nothing = with(.zeros([1, 8]))
    #expect(nothing.scalars == bias.scalars)
    let large = BitLinear(weight: weight * 1000, bias: bias, groups: 3, recipe: recipe)
    #expect(large(.zeros([1, 8])).scalars == bias.scalars)
    let gradient = gradient(at: with) { meanSquaredError($0(x), target: .zeros([5, 6])) }
    #expect(gradient.bias.value?.scalars.contains { $0 != 0 } == true)
  }

  /// The reference keeps float weights for ever.
  @Test(arguments: [("bitnet", 1.0), ("b158", 2.0)])
  func packingSavesMemory(_ name: String, bits: Double) throws {
    let recipe = try #require(QuantizationRecipe.named(name))
    let layer = BitLinear(512, 256, recipe: recipe)
    let packed = layer.packedLayer()
    let bitsPerWeight = Double(8 * packed.byteCount) / Double(512 * 256)
    #expect(bitsPerWeight >= bits && bitsPerWeight < bits + 0.1)
    let x = random([3, 512])
    #expect(sameBits(packed(x), layer(x)))
  }
}
