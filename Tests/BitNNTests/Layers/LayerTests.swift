import BitCore
import BitFormats
import TestSupport
import Testing
import _Differentiation

@testable import BitNN

/// What layers say of themselves, and what they refuse.
@Suite struct LayerTests {
  @Test func layersPrintThemselves() {
    #expect("\(Linear(784, 512))" == "Linear(784 -> 512, bias, 1.6 MB)")
    #expect("\(Linear(3, 5, bias: false))" == "Linear(3 -> 5, 60 bytes)")
    #expect(
      "\(BitLinear(2560, 6912, recipe: .b158))" == "BitLinear(2560 -> 6912, b158, 70.8 MB latent)")
    let layer = BitLinear(256, 128, groups: 4, bias: true, recipe: .b158, learnsNorm: true)
    #expect(
      "\(layer)" == "BitLinear(256 -> 128, b158, 4 groups, bias, learned norm, 132.6 kB latent)")
    // 128 rows of 256 codes of 2 bits, 4 scales, a bias and a norm.
    #expect(
      "\(layer.packed())" == "BitLinear(256 -> 128, b158, 4 groups, bias, learned norm, "
        + "\(LayerDescription.size(bytes: layer.packedLayer().byteCount)) packed)")
    var recipe = QuantizationRecipe.bitnet
    recipe.normalization = .layer()
    #expect(
      "\(BitLinear(8, 4, recipe: recipe))" == "BitLinear(8 -> 4, sign weights, 128 bytes latent)")
    #expect(
      "\(MultilayerPerceptron([Linear(8, 4), Linear(4, 2)]).quantized(.bitnet) { name, _ in name == "layers.0" })"
        == """
        MultilayerPerceptron(relu)
          layers.0: BitLinear(8 -> 4, bitnet, bias, 144 bytes latent)
          layers.1: Linear(4 -> 2, bias, 40 bytes)
        """)
    #expect(
      "\(RMSNorm(512)) \(LayerNorm(512)) \(GroupNorm(4, 512))"
        == "RMSNorm(512) LayerNorm(512) GroupNorm(4 groups, 512)")
    #expect(
      "\(Embedding(1000, 512)) \(Dropout(0.25))" == "Embedding(1000 x 512, 2.0 MB) Dropout(0.25)")
  }

  @Test(arguments: [
    (0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (999_949, "999.9 kB"),
    (999_950, "1.0 MB"), (4_423_680, "4.4 MB"), (123_456_789_000, "123.5 GB"),
    (5_000_000_000_000_000, "5000.0 TB"),
  ])
  func sizes(_ bytes: Int, _ expected: String) {
    #expect(LayerDescription.size(bytes: bytes) == expected)
  }

  @Test func parametersOfTheRightShapeAreTaken() {
    let x = random([2, 6])
    var linear = Linear(6, 4)
    linear.weight = random([4, 6], seed: 2)
    linear.bias = nil
    #expect(sameBits(linear(x), Linear(weight: random([4, 6], seed: 2))(x)))
    var layer = BitLinear(6, 4, recipe: .b158)
    layer.weight = random([4, 6], seed: 2)
    layer.bias = random([4])
    layer.normWeight = random([6])
    #expect(sameBits(layer.packedLayer()(x), layer(x)))
    var norm = RMSNorm(6)
    norm.weight = norm.weight * 2
    #expect(sameBits(norm(x), RMSNorm(6)(x) * 2))
    var table = Embedding(3, 6)
    table.weight = random([3, 6])
    #expect(sameBits(table([1]), Tensor(random([3, 6]).scalars[6..<12], shape: [1, 6])))
  }

  /// Setting a parameter makes no copy of it.
  @Test func parametersAreChangedInPlace() {
    var model = SampleNetwork().quantized(.b158)
    let before = model.parameters().map { $0.value.pointer }
    var optimizer = AdamW()
    let x = random([5, 12])
    let target = random([5, 4])
    optimizer.update(&model, along: gradient(at: model) { meanSquaredError($0(x), target: target) })
    #expect(model.parameters().map { $0.value.pointer } == before)
  }

  @Test func weightsOfAWrongShapeAreRefused() async {
    let weight = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var layer = BitLinear(6, 4)
      layer.weight = Tensor.zeros([6, 4])
    }
    expectMessage(weight, "a weight of shape [6, 4] does not fit a layer whose weight is [4, 6]")
    let bias = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var layer = Linear(6, 4)
      layer.bias = Tensor.zeros([6])
    }
    expectMessage(bias, "a bias of shape [6] does not fit a layer whose bias is [4]")
    let norm = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var layer = BitLinear(6, 4, recipe: .bitnet)
      layer.normWeight = Tensor.zeros([6])
    }
    expectMessage(norm, "a norm weight of shape [6] does not fit a layer that has none")
    let packed = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var layer = BitLinear(6, 4).packed()
      layer.weight = Tensor.zeros([4, 6])
    }
    expectMessage(packed, "a weight of shape [4, 6] does not fit a layer that has none")
    let table = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var layer = Embedding(3, 6)
      layer.weight = Tensor.zeros([3, 5])
    }
    expectMessage(table, "a weight of shape [3, 5] does not fit a layer whose weight is [3, 6]")
    let factor = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var layer = LayerNorm(6)
      layer.bias = Tensor.zeros([5])
    }
    expectMessage(factor, "a bias of shape [5] does not fit a layer whose bias is [6]")
  }
}
