import BitCore
import BitFormats
import TestSupport
import Testing
import _Differentiation

@testable import BitNN

/// The three examples of the reference's documentation, each on an input `[128, 10]`.
@Suite struct ReferenceExamplesTests {
  private let input = random([128, 10])

  @Test func example1IsALayer() {
    let layer = BitLinear(10, 20)
    let output = layer(input)
    #expect(output.shape == [128, 20])
    #expect(output.isFinite)
    #expect(sameBits(output, layer.packedLayer()(input)))
  }

  @Test func example2HasGroups() {
    let layer = BitLinear(10, 20, groups: 2)
    let output = layer(input)
    #expect(output.shape == [128, 20])
    #expect(output.isFinite)
    // Each group is a layer of its own rows.
    for group in 0..<2 {
      let rows = layer.weight.scalars[group * 100..<(group + 1) * 100]
      let part = BitLinear(weight: Tensor(rows, shape: [10, 10]))(input)
      for token in 0..<128 {
        let whole = output.scalars[token * 20 + group * 10..<token * 20 + group * 10 + 10]
        #expect(Array(whole) == Array(part.scalars[token * 10..<token * 10 + 10]))
      }
    }
  }

  @Test func example3IsPartOfAModel() {
    struct MyModel: Layer {
      var linear = BitLinear(10, 20)

      @differentiable(reverse)
      func callAsFunction(_ input: Tensor) -> Tensor { linear(input) }

      mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
        visit("linear", &linear, gradient?.linear)
      }
    }
    let model = MyModel()
    let output = model(input)
    #expect(output.shape == [128, 20])
    #expect(output.isFinite)
    #expect(model.parameters().map(\.name) == ["linear.weight"])
    let gradient = gradient(at: model) { meanSquaredError($0(input), target: .zeros([128, 20])) }
    #expect(model.namedGradients(gradient)["linear.weight"]?.shape == [20, 10])
  }
}
