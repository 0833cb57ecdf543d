import BitCore
import BitFormats
import TestSupport
import Testing
import _Differentiation

@testable import BitNN

/// Ten steps of each optimizer against PyTorch in float32.
@Suite struct OptimizerTests {
  @Test func adamWOnTernaryLayers() throws {
    let golden = try #require(try OptimizersFile.load().adamw["ternary"])
    try check(ternary(golden), golden, adamW(golden))
  }

  @Test func adamWOnFloatLayers() throws {
    let golden = try #require(try OptimizersFile.load().adamw["float"])
    try check(float(golden), golden, adamW(golden))
  }

  @Test(arguments: ["momentum", "nesterov"])
  func sgd(_ name: String) throws {
    let golden = try #require(try OptimizersFile.load().sgd[name])
    let options = golden.optimizer
    #expect(options.nesterov == (name == "nesterov"))
    let momentum = try #require(options.momentum)
    try check(
      float(golden), golden,
      SGD(
        learningRate: options.lr, momentum: momentum, weightDecay: options.weight_decay,
        usesNesterov: name == "nesterov"))
  }

  private func check<M: Layer>(
    _ model: M, _ golden: OptimizersFile.Training, _ optimizer: any Optimizer
  ) throws {
    var model = model
    var optimizer = optimizer
    #expect(golden.losses.count == 10)
    for (step, expected) in golden.losses.enumerated() {
      let (logits, pullback) = valueWithPullback(at: model) { $0(golden.inputs.tensor) }
      let loss = Losses.softmaxCrossEntropy(logits, labels: golden.labels)
      #expect(abs(Double(loss.loss) - expected) < 5e-6, "step \(step)")
      let gradient = pullback(loss.gradient)
      if step == 0 {
        #expect(difference(logits, golden.first_logits, absolute: 5e-6) == nil)
        check(model.namedGradients(gradient), golden.first_gradients)
      }
      optimizer.update(&model, along: gradient)
      if step == 0 { check(values(model), golden.after_step_1) }
    }
    check(values(model), golden.after_step_10)
    #expect(optimizer.memory.step == 10)
    #expect(!optimizer.memory.tensors.isEmpty)
  }

  private func check(_ actual: [String: Tensor], _ expected: [String: GoldenTensor]) {
    #expect(actual.keys.sorted() == expected.keys.sorted())
    for (name, values) in expected {
      #expect(difference(actual[name], values, absolute: 5e-6) == nil, "\(name)")
    }
  }

  private func values<M: Module>(_ model: M) -> [String: Tensor] {
    Dictionary(uniqueKeysWithValues: model.parameters().map { ($0.name, $0.value) })
  }

  private func ternary(_ golden: OptimizersFile.Training) -> Pair<BitLinear> {
    var model = Pair(
      BitLinear(12, 8, bias: true, recipe: .b158), BitLinear(8, 5, bias: true, recipe: .b158))
    model.setParameters(golden.initial.mapValues(\.tensor))
    return model
  }

  private func float(_ golden: OptimizersFile.Training) -> Pair<Linear> {
    var model = Pair(Linear(12, 8), Linear(8, 5), activation: .gelu)
    model.setParameters(golden.initial.mapValues(\.tensor))
    return model
  }

  private func adamW(_ golden: OptimizersFile.Training) throws -> AdamW {
    let options = golden.optimizer
    let betas = try #require(options.betas)
    return AdamW(
      learningRate: options.lr, beta1: betas[0], beta2: betas[1],
      epsilon: try #require(options.eps), weightDecay: options.weight_decay)
  }

  @Test(arguments: [0, 1])
  func clipping(_ index: Int) throws {
    let file = try OptimizersFile.load()
    let golden = file.clip[index]
    let training = try #require(file.adamw["ternary"])
    let model = ternary(training)
    let (logits, pullback) = valueWithPullback(at: model) { $0(training.inputs.tensor) }
    let upstream = Losses.softmaxCrossEntropy(logits, labels: training.labels).gradient
    let gradient = pullback(upstream)
    check(model.namedGradients(gradient), golden.gradients)
    let norm = GradientClipping.norm(of: gradient, for: model)
    #expect(abs(Double(norm) - golden.total_norm) < 1e-6)
    let scale = GradientClipping.scale(norm: norm, maximum: Float(golden.max_norm))
    #expect((scale == 1) == (golden.max_norm > golden.total_norm))
    for (name, values) in model.namedGradients(gradient) {
      let expected = try #require(golden.clipped[name])
      #expect(difference(values * scale, expected, absolute: 1e-6) == nil, "\(name)")
    }
    // The one call does the same.
    var (once, byHand) = (model, model)
    var (a, b) = (SGD(learningRate: 1), SGD(learningRate: 1))
    a.update(&once, along: gradient, clipNorm: Float(golden.max_norm))
    b.update(&byHand, gradients: model.gradients(gradient), scale: scale)
    #expect(sameParameters(once, byHand) && !sameParameters(once, model))
  }

  @Test func scaleAppliesToTheGradientOnly() {
    let model = Pair(Linear(3, 2), Linear(2, 2))
    let x = random([4, 3])
    let (y, pullback) = valueWithPullback(at: model) { $0(x) }
    let gradient = pullback(random(y.shape, seed: 2))
    let direction = model.namedGradients(gradient)
    var moved = model
    var sgd = SGD(learningRate: 0.5, weightDecay: 0.25)
    sgd.update(&moved, gradients: model.gradients(gradient), scale: 0.125)
    for (old, new) in zip(model.parameters(), moved.parameters()) {
      for i in 0..<old.value.count {
        let p = old.value.scalars[i]
        let g = direction[old.name]?.scalars[i] ?? .nan
        #expect(abs(new.value.scalars[i] - (p - 0.5 * (0.125 * g + 0.25 * p))) < 1e-6)
      }
    }
  }

  /// More values than the eight that AdamW takes at once, and a rest: all go the same way.
  @Test(arguments: [1, 7, 8, 9, 16, 27])
  func adamWTreatsAllValuesAlike(_ count: Int) {
    var model = Linear(weight: Tensor(repeating: 0.5, shape: [count, 1]))
    var adam = AdamW(learningRate: 0.1)
    for _ in 0..<3 {
      let gradient = gradient(at: model) {
        meanSquaredError(
          $0(Tensor([2], shape: [1, 1])), target: Tensor(repeating: 7, shape: [1, count]))
      }
      adam.update(&model, along: gradient)
    }
    let first = model.weight.scalars[0]
    #expect(first > 0.5)
    #expect(model.weight.scalars.allSatisfy { abs($0 - first) < 1e-6 })
  }

  @Test func restoredOptimizersGoOnAlike() throws {
    let golden = try #require(try OptimizersFile.load().adamw["float"])
    func gradient(_ model: Pair<Linear>) -> Pair<Linear>.TangentVector {
      _Differentiation.gradient(at: model) {
        softmaxCrossEntropy($0(golden.inputs.tensor), labels: golden.labels)
      }
    }
    let optimizers: [any Optimizer] = [
      try adamW(golden), SGD(learningRate: 0.1, momentum: 0.9),
      SGD(learningRate: 0.1, momentum: 0.9, usesNesterov: true),
    ]
    for fresh in optimizers {
      var (model, optimizer) = (float(golden), fresh)
      for _ in 0..<3 { optimizer.update(&model, along: gradient(model)) }
      var (otherModel, other) = (model, fresh)
      other.memory = optimizer.memory
      optimizer.update(&model, along: gradient(model))
      other.update(&otherModel, along: gradient(otherModel))
      #expect(sameParameters(model, otherModel))
      #expect(other.memory.step == 4)
    }
  }

  @Test func settingsTellOptimizersApart() {
    let all: [any Optimizer] = [
      AdamW(), AdamW(beta1: 0.8), AdamW(beta2: 0.9), AdamW(epsilon: 1e-6), SGD(learningRate: 1),
      SGD(learningRate: 1, momentum: 0.9),
      SGD(learningRate: 1, momentum: 0.9, usesNesterov: true),
    ]
    #expect(Set(all.map(\.settings)).count == all.count)
    // Rate and decay come from schedules.
    #expect(AdamW(learningRate: 1, weightDecay: 1).settings == AdamW().settings)
  }
}
