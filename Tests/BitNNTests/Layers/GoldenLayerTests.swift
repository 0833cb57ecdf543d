import BitCore
import BitFormats
import TestSupport
import Testing
import _Differentiation

@testable import BitNN

/// Layers and losses against PyTorch in float64.
@Suite struct GoldenLayerTests {
  @Test func goldenFileIsComplete() throws {
    let file = try OptimizersFile.load()
    #expect(
      file.layers.map(\.name) == [
        "layer_norm", "rms_norm", "group_norm", "gelu", "gelu_tanh", "silu", "relu_squared",
      ])
    #expect(file.losses.map(\.name) == ["cross_entropy", "cross_entropy", "mse"])
  }

  @Test(arguments: try OptimizersFile.load().layers.filter { $0.options.eps != nil })
  func norms(_ golden: OptimizersFile.LayerCase) throws {
    let epsilon = try #require(golden.options.eps)
    switch golden.name {
    case "layer_norm": check(LayerNorm(12, epsilon: epsilon), golden)
    case "rms_norm": check(RMSNorm(12, epsilon: epsilon), golden)
    case "group_norm":
      check(GroupNorm(try #require(golden.options.groups), 12, epsilon: epsilon), golden)
    default: Issue.record("no layer \(golden.name)")
    }
  }

  private func check<L: Layer>(_ layer: L, _ golden: OptimizersFile.LayerCase) {
    var layer = layer
    #expect(
      layer.parameters().allSatisfy { name, value in
        value.scalars.allSatisfy { $0 == (name == "weight" ? 1 : 0) }
      })
    layer.setParameters(golden.parameters.mapValues(\.tensor))
    let (y, pullback) = valueWithPullback(at: layer, golden.input.tensor) { $0($1) }
    check(y, golden.output)
    let (gradient, inputGradient) = pullback(golden.upstream.tensor)
    check(inputGradient, golden.gradients["input"])
    let gradients = layer.namedGradients(gradient)
    #expect(gradients.count == golden.gradients.count - 1)
    for (name, values) in gradients { check(values, golden.gradients[name]) }
    // Without the gradient of the input: the same bits.
    let ownPullback = valueWithPullback(at: layer) { $0(golden.input.tensor) }.pullback
    let own = layer.namedGradients(ownPullback(golden.upstream.tensor))
    #expect(own.count == gradients.count)
    for (name, values) in gradients { #expect(own[name].map { sameBits($0, values) } == true) }
  }

  @Test(arguments: try OptimizersFile.load().layers.filter { $0.options.eps == nil })
  func activations(_ golden: OptimizersFile.LayerCase) throws {
    let functions: [String: @differentiable(reverse) (Tensor) -> Tensor] = [
      "gelu": { gelu($0) }, "silu": { silu($0) }, "relu_squared": { squaredReLU($0) },
      "gelu_tanh": { Activation.geluTanh($0) },
    ]
    let function = try #require(functions[golden.name])
    let (y, pullback) = valueWithPullback(at: golden.input.tensor, of: function)
    check(y, golden.output)
    check(pullback(golden.upstream.tensor), golden.gradients["input"])
  }

  @Test func reluAndItsGradient() {
    let x = Tensor([-1, 0, 2, -0.5, 3, .infinity], shape: [2, 3])
    let (y, pullback) = valueWithPullback(at: x) { relu($0) }
    #expect(y.scalars == [0, 0, 2, 0, 3, .infinity])
    #expect(pullback(random([2, 3])).scalars.map { $0 != 0 } == y.scalars.map { $0 > 0 })
  }

  private func check(_ actual: Tensor, _ expected: GoldenTensor?) {
    guard let expected else {
      Issue.record("a gradient that PyTorch does not have")
      return
    }
    #expect(difference(actual, expected, absolute: 2e-6, relative: 5e-6) == nil)
  }

  @Test(arguments: try OptimizersFile.load().losses)
  func losses(_ golden: OptimizersFile.Loss) {
    let (value, gradient) = valueWithGradient(at: golden.prediction.tensor) { prediction in
      switch golden.target {
      case .classes(let labels):
        softmaxCrossEntropy(
          prediction, labels: labels, labelSmoothing: golden.options.label_smoothing ?? 0)
      case .values(let target): meanSquaredError(prediction, target: target.tensor)
      }
    }
    #expect(abs(Double(value) - golden.value) <= 1e-6 * max(1, abs(golden.value)))
    #expect(difference(gradient, golden.gradient, absolute: 1e-6) == nil)
  }

  /// Some rows are looked up more than once, some never.
  @Test func embedding() throws {
    let golden = try OptimizersFile.load().embedding
    var layer = Embedding(7, 4)
    #expect(layer.weight.shape == [7, 4])
    layer.setParameters(["weight": golden.weight.tensor])
    let (y, pullback) = valueWithPullback(at: layer) { $0(golden.indices.data) }
    #expect(y.shape == [10, 4])
    #expect(sameBits(y.reshaped(Shape(golden.output.shape)), golden.output.tensor))
    let gradient = pullback(golden.upstream.tensor.reshaped([10, 4]))
    #expect(difference(gradient.weight, golden.gradient, absolute: 2e-6) == nil)
  }

  @Test func embeddingTablesAreNormal() {
    var (a, b) = (SeededGenerator(seed: 4), SeededGenerator(seed: 4))
    let table = Embedding(200, 50, using: &a).weight
    #expect(sameBits(table, Embedding(200, 50, using: &b).weight))
    let mean = table.scalars.reduce(0, +) / 10_000
    let variance = table.scalars.reduce(0) { $0 + $1 * $1 } / 10_000
    #expect(abs(mean) < 0.04)
    #expect(abs(variance - 1) < 0.06)
    #expect(!sameBits(Embedding(4, 4).weight, Embedding(4, 4).weight))
  }
}
