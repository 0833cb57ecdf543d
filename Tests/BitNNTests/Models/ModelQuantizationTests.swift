import BitCore
import BitFormats
import TestSupport
import Testing

@testable import BitNN

@Suite struct ModelQuantizationTests {
  private let x = random([9, 12], seed: 6)

  @Test(arguments: ["bitnet", "b158"], [1, 2])
  func quantizedKeepsParameters(_ name: String, groups: Int) throws {
    let recipe = try #require(QuantizationRecipe.named(name))
    let model = SampleNetwork()
    let quantized = model.quantized(recipe, groups: groups)
    #expect(sameParameters(quantized, model))
    #expect(quantized.parameterCount == model.parameterCount)
    #expect(model.parameterCount == 24 + 2 * 156 + 144 + 52)
    #expect(
      quantized.parameters().map(\.name) == [
        "norm.weight", "norm.bias", "hidden.0.weight", "hidden.0.bias", "hidden.1.weight",
        "hidden.1.bias", "extra.weight", "output.weight", "output.bias",
      ])
    #expect(quantized.packedLayers().map(\.name) == ["hidden.0", "hidden.1", "extra", "output"])

    let pairs = [
      (model.hidden[0], quantized.hidden[0]), (model.hidden[1], quantized.hidden[1]),
      (model.output, quantized.output),
    ]
    for (layer, replaced) in pairs {
      let direct = BitLinear(
        weight: layer.weight, bias: layer.bias, groups: groups, recipe: recipe)
      #expect(sameBits(replaced(x), direct(x)))
      #expect(!sameBits(replaced(x), layer(x)))
      #expect(replaced.bitLinear?.groups == groups)
      #expect(replaced.bitLinear?.recipe == recipe)
    }
    #expect(quantized.extra?.bitLinear?.bias == nil)
    // The model that it was made from is as it was.
    #expect(model.output.bitLinear == nil)
  }

  @Test func filterChoosesByName() {
    var asked: [String] = []
    let model = SampleNetwork()
    let quantized = model.quantized(.b158) { name, layer in
      asked.append("\(name) \(layer.outFeatures)")
      return name != "output" && !name.hasSuffix(".1")
    }
    #expect(asked == ["hidden.0 12", "hidden.1 12", "extra 12", "output 4"])
    #expect(quantized.hidden.map { $0.bitLinear != nil } == [true, false])
    #expect(quantized.extra?.bitLinear != nil)
    #expect(quantized.output.bitLinear == nil)
    #expect(sameBits(quantized.output(x), model.output(x)))
    #expect(sameParameters(quantized, model))
  }

  @Test func eachLayerHasItsRecipe() {
    let model = SampleNetwork()
    let quantized = model.quantized { name, layer in
      layer.outFeatures == 4 ? nil : name == "extra" ? .bitnet : .b158
    }
    #expect(quantized.hidden.map { $0.bitLinear?.recipe } == [.b158, .b158])
    #expect(quantized.extra?.bitLinear?.recipe == .bitnet)
    #expect(quantized.output.bitLinear == nil)
    #expect(sameParameters(quantized, model))

    let learning = model.quantized(groups: 2, learnsNorm: true) { name, _ in
      name == "extra" ? .bitnet : .b158
    }
    #expect(learning.hidden[0].bitLinear?.groups == 2)
    #expect(learning.hidden[0].bitLinear?.normWeight == Tensor(repeating: 1, shape: [12]))
    // A recipe without a norm has none to learn.
    #expect(learning.extra?.bitLinear?.normWeight == nil)
    #expect(model.quantized(.b158, learnsNorm: true).output.bitLinear?.normWeight != nil)
  }

  @Test func quantizedModelsStayAsTheyAre() {
    let once = SampleNetwork().quantized(.b158)
    var asked = 0
    let twice = once.quantized(.bitnet, groups: 2) { _, _ in
      asked += 1
      return true
    }
    #expect(asked == 0)
    #expect(twice.output.bitLinear?.recipe == .b158)
    #expect(sameBits(twice(x), once(x)))
    let packed = once.packed()
    #expect(sameBits(packed.quantized(.bitnet)(x), once(x)))
    // A layer that is BitLinear from the start is none of its business.
    let layer = BitLinear(12, 4, recipe: .b158)
    #expect(sameBits(layer.quantized(.bitnet)(x), layer(x)))
  }

  @Test(arguments: ["bitnet", "b158"], [1, 4])
  func packedGivesTheSameBits(_ name: String, groups: Int) throws {
    let recipe = try #require(QuantizationRecipe.named(name))
    let model = SampleNetwork().quantized(recipe, groups: groups)
    let packed = model.packed()
    #expect(sameBits(packed(x), model(x)))
    #expect(packed.output.bitLinear?.isPacked == true)
    #expect(model.output.bitLinear?.isPacked == false)
    #expect(packed.parameters().map(\.name) == ["norm.weight", "norm.bias"])
    #expect(packed.parameterCount == 24)
    #expect(sameBits(packed.packed()(x), model(x)))
    let (before, after) = (model.packedLayers(), packed.packedLayers())
    #expect(before.map(\.name) == after.map(\.name))
    for (a, b) in zip(before, after) {
      #expect(a.layer.matrix.codes == b.layer.matrix.codes)
      #expect(a.layer.matrix.groupScales == b.layer.matrix.groupScales)
      #expect(a.layer.groups == groups)
    }
  }

  @Test func layersThatStayFloatAreNotPacked() {
    let model = SampleNetwork().quantized(.b158) { name, _ in name == "extra" }
    let packed = model.packed()
    #expect(sameBits(packed(x), model(x)))
    #expect(packed.parameterCount == model.parameterCount - 144)
    #expect(packed.packedLayers().map(\.name) == ["extra"])
    #expect(SampleNetwork().packedLayers().isEmpty)
  }

  @Test func absentChildrenAreLeftOut() {
    let model = SampleNetwork(hasExtra: false).quantized(.b158)
    #expect(model.packedLayers().map(\.name) == ["hidden.0", "hidden.1", "output"])
    #expect(!model.parameters().contains { $0.name.hasPrefix("extra") })
    #expect(sameBits(model.packed()(x), model(x)))
  }

  @Test func learnedNormsArePacked() {
    var recipe = QuantizationRecipe.b158
    recipe.normalization = .group(3)
    var layer = BitLinear(12, 4, groups: 2, bias: true, recipe: recipe, learnsNorm: true)
    layer.setParameters(["norm.weight": random([12]), "norm.bias": random([12], seed: 2)])
    let packed = layer.packedLayer()
    #expect(sameBits(packed(x), layer(x)))
    #expect(packed.normWeight == layer.normWeight)
    #expect(packed.normBias == layer.normBias)
    #expect(packed.bias == layer.bias)
  }

  @Test func strengthGoesFromFloatToIntegers() {
    let float = SampleNetwork()
    let full = float.quantized(.bitnet)
    var model = full
    model.setQuantizationStrength(0.0)
    #expect(model.output.bitLinear?.strength == 0.0)
    #expect(model.hidden[1].bitLinear?.strength == 0.0)
    #expect(sameBits(model(x), float(x)))
    model.setQuantizationStrength(0.5)
    let half = model(x)
    #expect(!sameBits(half, float(x)) && !sameBits(half, full(x)))
    model.setQuantizationStrength(.full)
    #expect(sameBits(model(x), full(x)))
    // Packing is full strength, whatever the training was at.
    model.setQuantizationStrength(0.5)
    #expect(sameBits(model.packed()(x), full(x)))
  }

  @Test func summaryTellsRecipesApart() {
    var other = QuantizationRecipe.b158
    other.normalization = .rms(epsilon: 1e-6)
    let all = [
      SampleNetwork().quantized(.b158), SampleNetwork().quantized(.bitnet),
      SampleNetwork().quantized(.b158, groups: 2), SampleNetwork().quantized(other),
    ].map { $0.quantizationSummary.map(\.value) }
    #expect(Set(all).count == 4)
    #expect(SampleNetwork().quantizationSummary.isEmpty)
  }
}
