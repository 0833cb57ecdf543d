import BitCore
import BitFormats
import TestSupport
import Testing
import _Differentiation

@testable import BitNN

@Suite struct DifferentiationTests {
  private let x = random([7, 12], seed: 2)
  private let labels: [Int32] = [0, 3, 1, 2, 2, 0, 3]

  /// The rules that leave out the gradient of the input give the same bits.
  @Test(arguments: ["bitnet", "b158", "float"])
  func modelGradientAloneIsThatOfBoth(_ name: String) {
    func quantized<M: Layer>(_ model: M) -> M {
      QuantizationRecipe.named(name).map { model.quantized($0) } ?? model
    }
    check(quantized(SampleNetwork()))
    check(quantized(SampleNetwork(hasExtra: false)))
    // Models whose first layer is linear, so that its input is data.
    check(quantized(Linear(12, 4)))
    check(quantized(Linear(12, 4, bias: false)))
    check(quantized(Pair(Linear(12, 8), Linear(8, 4))))
    check(quantized(perceptron([12, 8, 8, 4], nil)))

    func check<M: Layer>(_ model: M) {
      let alone = gradient(at: model) { softmaxCrossEntropy($0(x), labels: labels) }
      let both = gradient(at: model, x) { softmaxCrossEntropy($0($1), labels: labels) }
      let (a, b) = (model.namedGradients(alone), model.namedGradients(both.0))
      #expect(a.keys.sorted() == model.parameters().map(\.name).sorted())
      #expect(a.keys.sorted() == b.keys.sorted())
      for (name, value) in a {
        #expect(b[name].map { sameBits($0, value) } == true, "\(M.self) \(name)")
        #expect(value.scalars.contains { $0 != 0 }, "\(M.self) \(name)")
      }
      for (name, value) in model.parameters() { #expect(a[name]?.shape == value.shape) }
      #expect(both.1.shape == x.shape)
      #expect(both.1.scalars.contains { $0 != 0 })
    }
  }

  /// Central differences of the loss, along a random direction of each parameter.
  @Test func gradientsAreSlopes() {
    let model = SampleNetwork()
    let gradient = model.namedGradients(
      gradient(at: model) { softmaxCrossEntropy($0(x), labels: labels) })
    for (index, (name, value)) in model.parameters().enumerated() {
      let direction = random(value.shape, seed: UInt64(100 + index))
      func loss(_ step: Float) -> Double {
        var moved = model
        moved.setParameters([name: value + direction * step])
        return Double(softmaxCrossEntropy(moved(x), labels: labels))
      }
      let slope = (loss(5e-3) - loss(-5e-3)) / 1e-2
      let product = zip(gradient[name]?.scalars ?? [], direction.scalars).reduce(0.0) {
        $0 + Double($1.0) * Double($1.1)
      }
      #expect(abs(slope - product) < 1e-3 + 0.01 * abs(product), "\(name)")
    }
  }

  private struct PartlyUsed: Layer {
    var used = Linear(12, 4)
    var unused = Linear(5, 3)
    var alsoUnused: [Linear] = [Linear(2, 2), Linear(2, 2)]
    var perhaps: Linear? = Linear(3, 3)

    @differentiable(reverse)
    func callAsFunction(_ input: Tensor) -> Tensor { used(input) }

    mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
      visit("used", &used, gradient?.used)
      visit("unused", &unused, gradient?.unused)
      visit("alsoUnused", &alsoUnused, gradient?.alsoUnused)
      visit("perhaps", &perhaps, gradient?.perhaps)
    }
  }

  @Test func unusedParametersHaveZeroGradients() {
    var model = PartlyUsed()
    let initial = model
    let gradient = gradient(at: model) { softmaxCrossEntropy($0(x), labels: labels) }
    #expect(model.namedGradients(gradient).keys.sorted() == ["used.bias", "used.weight"])
    model.forEachGradient(gradient) { name, gradient in
      #expect(name.hasPrefix("used.") || gradient == .zero, "\(name)")
    }
    #expect(GradientClipping.norm(of: gradient, for: model) > 0)
    // Optimizers leave them alone, weight decay included.
    var adam = AdamW(learningRate: 0.1, weightDecay: 0.5)
    adam.update(&model, along: gradient)
    var sgd = SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.5)
    sgd.update(&model, along: gradient)
    #expect(!sameBits(model.used.weight, initial.used.weight))
    #expect(sameParameters(model.unused, initial.unused))
    #expect(model.alsoUnused[1].weight == initial.alsoUnused[1].weight)
    #expect(model.perhaps?.weight == initial.perhaps?.weight)
    #expect(
      adam.memory.tensors.keys.sorted() == [
        "used.bias.mean", "used.bias.variance", "used.weight.mean", "used.weight.variance",
      ])
  }

  /// A branch that is computed but not used: its upstream gradient has no shape.
  private struct Branches: Layer {
    var unused: [BitLinear]
    var plain: Linear
    var norm: RMSNorm
    var used: Linear

    @differentiable(reverse)
    func callAsFunction(_ input: Tensor) -> Tensor {
      let outputs = [
        unused[0](input), relu(plain(input)), norm(input) * norm(input), used(input),
      ]
      return outputs[3]
    }

    mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
      visit("unused", &unused, gradient?.unused)
      visit("plain", &plain, gradient?.plain)
      visit("norm", &norm, gradient?.norm)
      visit("used", &used, gradient?.used)
    }
  }

  @Test func unusedBranchesAreHarmless() {
    let model = Branches(
      unused: [BitLinear(12, 4, recipe: .b158, learnsNorm: true)], plain: Linear(12, 4),
      norm: RMSNorm(12), used: Linear(12, 4))
    let gradient = gradient(at: model) { softmaxCrossEntropy($0(x), labels: labels) }
    let gradients = model.namedGradients(gradient)
    #expect(gradients["used.weight"]?.shape == [4, 12])
    for name in ["unused.0.weight", "plain.weight", "norm.weight"] {
      #expect(gradients[name]?.scalars.allSatisfy { $0 == 0 } ?? true, "\(name)")
    }
    var updated = model
    var optimizer = AdamW()
    optimizer.update(&updated, along: gradient)
    #expect(updated.used.weight != model.used.weight)
    #expect(updated.plain.weight == model.plain.weight)
  }

  @Test func absentBiasHasNoGradient() {
    let layers: [any Layer] = [
      Linear(12, 4, bias: false), BitLinear(12, 4), Linear(12, 4, bias: false).quantized(.b158),
    ]
    for layer in layers { check(layer) }
    func check<L: Layer>(_ layer: L) {
      let (alone, both) = (
        gradient(at: layer) { softmaxCrossEntropy($0(x), labels: labels) },
        gradient(at: layer, x) { softmaxCrossEntropy($0($1), labels: labels) }
      )
      #expect(layer.namedGradients(alone).keys.sorted() == ["weight"])
      #expect(layer.namedGradients(both.0).keys.sorted() == ["weight"])
    }
  }

  /// A layer of one's own: one line for each parameter.
  private struct Residual: Layer {
    var weight: Tensor
    var gate: Tensor?
    @noDerivative var usesGate = true

    @differentiable(reverse)
    func callAsFunction(_ input: Tensor) -> Tensor {
      let y = linear(input, weight: weight, bias: gate)
      return input + relu(y) * 0.5
    }

    mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
      visit("weight", &weight, gradient?.weight)
      visit("gate", &gate, gradient?.gate)
    }
  }

  private func step<M: Layer, O: Optimizer>(
    _ model: inout M, _ optimizer: inout O, _ x: Tensor, _ target: Tensor
  ) -> Float {
    let (loss, gradient) = valueWithGradient(at: model) { meanSquaredError($0(x), target: target) }
    optimizer.update(&model, along: gradient)
    return loss
  }

  @Test(arguments: [true, false])
  func ownLayersTrain(_ hasGate: Bool) {
    let gate = hasGate ? random([12], seed: 8, scale: 0.1) : nil
    var model = MultilayerPerceptron([
      Residual(weight: random([12, 12], seed: 3, scale: 0.2), gate: gate),
      Residual(weight: random([12, 12], seed: 4, scale: 0.2), gate: gate),
    ])
    let names = ["layers.0.weight", "layers.0.gate", "layers.1.weight", "layers.1.gate"]
    #expect(
      model.parameters().map(\.name) == names.filter { hasGate || !$0.hasSuffix("gate") })
    let before = model
    var adam = AdamW(learningRate: 0.01)
    let target = random([7, 12], seed: 5)
    let losses = (0..<20).map { _ in step(&model, &adam, x, target) }
    #expect(losses[19] < 0.8 * losses[0])
    for (old, new) in zip(before.parameters(), model.parameters()) {
      #expect(!sameBits(old.value, new.value), "\(old.name)")
    }
  }

  /// One function for models of any type.
  @Test func genericStepTrainsAnyModel() {
    func fall<M: Layer>(_ model: M, _ target: Tensor) -> Float {
      var model = model
      var sgd = SGD(learningRate: 0.05, momentum: 0.9)
      let losses = (0..<30).map { _ in step(&model, &sgd, x, target) }
      return losses[29] / losses[0]
    }
    let target = random([7, 4], seed: 5)
    #expect(fall(SampleNetwork().quantized(.b158), target) < 0.9)
    #expect(fall(BitLinear(12, 4, bias: true, recipe: .b158, learnsNorm: true), target) < 0.9)
    #expect(fall(perceptron([12, 16, 4], .bitnet), target) < 0.9)
    #expect(fall(Pair(Linear(12, 8), Linear(8, 4)), target) < 0.9)
  }

  /// Operators of tensors.
  @Test func tensorRules() {
    let (a, b, dy) = (random([3, 4], seed: 1), random([3, 4], seed: 2), random([3, 4], seed: 3))
    func pull(
      _ body: @differentiable(reverse) (Tensor, Tensor) -> Tensor
    ) -> (Tensor, Tensor) { valueWithPullback(at: a, b, of: body).pullback(dy) }
    #expect(pull { $0 + $1 } == (dy, dy))
    #expect(pull { $0 - $1 } == (dy, dy * -1))
    #expect(pull { $0 * $1 } == (dy * b, dy * a))
    #expect(pull { $0 * 3 + $1 } == (dy * 3, dy))
    let reshaped = pull { $0.reshaped([12]).reshaped([3, 4]) + $1 }
    #expect(reshaped == (dy, dy))
    let (_, back) = valueWithPullback(at: a) { $0.reshaped([2, 6]) }
    #expect(back(dy.reshaped([2, 6])) == dy)
    var moved = a
    moved.move(by: b)
    #expect(moved == a + b)
    moved.move(by: .zero)
    #expect(moved == a + b)
  }
}
