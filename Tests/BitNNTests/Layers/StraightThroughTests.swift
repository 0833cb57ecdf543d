import BitCore
import BitFormats
import TestSupport
import Testing
import _Differentiation

@testable import BitNN

/// The layer and its gradients against PyTorch's autograd in float64.
@Suite struct StraightThroughTests {
  @Test func goldenFileIsComplete() throws {
    #expect(try StraightThroughCase.all().count == 16)
  }

  @Test(arguments: try StraightThroughCase.all())
  func layerEqualsPyTorch(_ golden: StraightThroughCase) throws {
    let layer = try layer(golden)
    let x = golden.x.tensor
    let (y, pullback) = valueWithPullback(at: layer, x) { layer, x in layer(x) }
    #expect(difference(y, golden.y, absolute: 2e-5) == nil)
    let (gradient, inputGradient) = pullback(golden.dy.tensor)
    #expect(difference(inputGradient, golden.dx, absolute: 2e-5) == nil)
    var expected = ["weight": golden.dw]
    expected["bias"] = vector(golden.dbias)
    expected["norm.weight"] = vector(golden.dnorm_weight)
    expected["norm.bias"] = vector(golden.dnorm_bias)
    let gradients = layer.namedGradients(gradient)
    #expect(gradients.keys.sorted() == expected.keys.sorted())
    for (name, values) in expected {
      #expect(difference(gradients[name], values, absolute: 2e-5) == nil, "\(name)")
    }

    // Without the gradient of the input: the same bits.
    let (again, ownPullback) = valueWithPullback(at: layer) { $0(x) }
    #expect(sameBits(again, y))
    let own = layer.namedGradients(ownPullback(golden.dy.tensor))
    #expect(own.keys.sorted() == gradients.keys.sorted())
    for (name, values) in gradients {
      #expect(own[name].map { sameBits($0, values) } == true, "\(name)")
    }
  }

  @Test(arguments: try StraightThroughCase.all().filter { $0.lam == 1 })
  func packedLayerEqualsPyTorch(_ golden: StraightThroughCase) throws {
    guard golden.quant_act, golden.quant_weight else { return }
    let layer = try layer(golden)
    let y = layer.packedLayer()(golden.x.tensor)
    #expect(difference(y, golden.y, absolute: 2e-5) == nil)
    #expect(sameBits(y, layer(golden.x.tensor)))
  }

  private func layer(_ golden: StraightThroughCase) throws -> BitLinear {
    let norms: [String: Normalization] = [
      "rmsnorm": .rms(epsilon: Float(golden.norm_eps)),
      "layernorm": .layer(epsilon: Float(golden.norm_eps)),
    ]
    if golden.norm != "none" { try #require(norms[golden.norm] != nil) }
    var layer = BitLinear(
      weight: golden.weight.tensor, bias: vector(golden.bias)?.tensor, groups: golden.groups,
      recipe: QuantizationRecipe(
        weights: golden.weight_mode == "bit1" ? .sign : .ternary,
        activations: ActivationQuantizer(granularity: .token, epsilon: 1e-5),
        normalization: norms[golden.norm]), learnsNorm: golden.norm_weight != nil)
    var norm: [String: Tensor] = [:]
    norm["norm.weight"] = vector(golden.norm_weight)?.tensor
    norm["norm.bias"] = vector(golden.norm_bias)?.tensor
    layer.setParameters(norm)
    layer.strength = QuantizationStrength(
      weights: golden.quant_weight ? Float(golden.lam) : 0,
      activations: golden.quant_act ? Float(golden.lam) : 0)
    return layer
  }

  private func vector(_ values: [Double]?) -> GoldenTensor? {
    values.map { GoldenTensor(shape: [$0.count], data: $0) }
  }
}
