import BitCore
import BitFormats
import TestSupport
import Testing
import _Differentiation

@testable import BitNN

/// What a `visitChildren` that is wrong does: never a parameter that silently does not train.
@Suite struct ChildrenCheckTests {
  private static let x = random([3, 6])

  /// A model that visits what its `mistake` says.
  struct Model: Layer {
    enum Mistake: String, CaseIterable, Sendable {
      case none, forgottenLayer, forgottenTensor, forgottenOptional, forgottenArray, twice
      case sameName, wrongGradient, wrongChildGradient, noGradient, wrongShape
    }

    @noDerivative var mistake: Mistake
    var layer = Linear(weight: random([6, 6], seed: 1), bias: random([6], seed: 2))
    var twin = Linear(weight: random([6, 6], seed: 3), bias: random([6], seed: 4))
    var scale = random([3, 6], seed: 5)
    var offset: Tensor? = random([6], seed: 6)
    var list = [RMSNorm(6), RMSNorm(6)]
    var dropout = Dropout(0)
    @noDerivative var constant = random([6], seed: 7)

    init(_ mistake: Mistake) { self.mistake = mistake }

    @differentiable(reverse)
    func callAsFunction(_ input: Tensor) -> Tensor {
      let sum = twin(layer(input)) * scale
      return linear(list[1](list[0](sum)), weight: layer.weight, bias: offset)
    }

    mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
      if mistake != .forgottenLayer {
        visit(
          "layer", &layer,
          mistake == .noGradient
            ? nil : mistake == .wrongChildGradient ? gradient?.twin : gradient?.layer)
      }
      visit(
        mistake == .sameName ? "layer" : "twin", &twin,
        mistake == .wrongChildGradient ? gradient?.layer : gradient?.twin)
      if mistake == .twice { visit("again", &twin, gradient?.twin) }
      if mistake != .forgottenTensor {
        visit(
          "scale", &scale,
          mistake == .wrongGradient
            ? gradient?.layer.weight : mistake == .wrongShape ? Tensor([1, 2]) : gradient?.scale)
      }
      if mistake != .forgottenOptional { visit("offset", &offset, gradient?.offset) }
      if mistake != .forgottenArray { visit("list", &list, gradient?.list) }
    }
  }

  private static func expected(_ mistake: Model.Mistake) -> (text: String, needsGradient: Bool)? {
    func visit(_ name: String) -> String {
      "its property \(name) not visited, expected visit(\"\(name)\", &\(name), gradient?.\(name)) "
        + "in visitChildren"
    }
    return switch mistake {
    case .none: nil
    case .forgottenLayer: (visit("layer"), false)
    case .forgottenTensor: (visit("scale"), false)
    case .forgottenOptional: (visit("offset"), false)
    case .forgottenArray: (visit("list"), false)
    case .twice:
      ("its property weight visited as twin.weight and again.weight, expected one visit", false)
    case .sameName: ("two parameters named layer.weight", false)
    case .wrongGradient:
      (
        "its property scale visited with the gradient of layer.weight, expected gradient?.scale",
        true
      )
    case .wrongChildGradient:
      (
        "its property weight visited with the gradient of twin.weight, expected gradient?.weight",
        true
      )
    case .noGradient: ("its property weight visited with no gradient", true)
    case .wrongShape: ("its property scale visited with a gradient of shape [2]", true)
    }
  }

  private func error(_ body: () throws -> Void) -> InputError? {
    do {
      try body()
      return nil
    } catch {
      return error as? InputError
    }
  }

  @Test(arguments: Model.Mistake.allCases)
  func mistakesAreNoticed(_ mistake: Model.Mistake) throws {
    let model = Model(mistake)
    let gradient = gradient(at: model) { meanSquaredError($0(Self.x), target: Self.x) }
    let found = error { try model.checkChildren(gradient: gradient) }
    let expected = Self.expected(mistake)
    #expect(found?.kind == (expected == nil ? nil : .mismatch))
    if let expected, let found {
      #expect(found.description.contains(expected.text), "\(found)")
      #expect(["Model", "Linear"].contains(found.source))
    }
    // What needs no gradient to be seen is an error when the model is saved and loaded, too.
    let isSeenAtOnce = expected.map { !$0.needsGradient } ?? false
    try withFolder { folder in
      try Model(.none).save(to: "\(folder)/right")
      let saved = error { try model.save(to: "\(folder)/model") }
      #expect(saved == (isSeenAtOnce ? found : nil))
      var loaded = model
      #expect(error { try loaded.load(path: "\(folder)/right") } == (isSeenAtOnce ? found : nil))
    }
  }

  @Test func layersOfTheLibraryAreRight() throws {
    var recipe = QuantizationRecipe.b158
    recipe.normalization = .layer()
    try check(BitLinear(6, 6, groups: 2, bias: true, recipe: recipe, learnsNorm: true))
    try check(Linear(6, 6))
    try check(RMSNorm(6))
    try check(LayerNorm(6))
    try check(GroupNorm(2, 6))
    try check(Dropout(0.5))
    try check(MultilayerPerceptron([Linear(6, 6), Linear(6, 6, bias: false)]))
    let model = SampleNetwork().quantized(.b158)
    try model.checkChildren()
    try model.packed().checkChildren()
    try SampleNetwork(hasExtra: false).checkChildren()
    try Embedding(4, 6).checkChildren(
      gradient: gradient(at: Embedding(4, 6)) { meanSquaredError($0([1, 2, 3]), target: Self.x) })
  }

  private func check<M: Layer>(_ model: M) throws {
    try model.checkChildren()
    try model.checkChildren(
      gradient: gradient(at: model) { meanSquaredError($0(Self.x), target: Self.x) })
  }

  /// Tensors that share their storage, as copies do, are told apart by their number.
  private struct Tied: Layer {
    var a: Tensor
    var b: Tensor
    @noDerivative var names: [String]

    @differentiable(reverse)
    func callAsFunction(_ input: Tensor) -> Tensor { input * a + b }

    mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
      if names.contains("a") { visit("a", &a, gradient?.a) }
      if names.contains("b") { visit("b", &b, gradient?.b) }
    }
  }

  @Test func copiesAreToldApart() throws {
    let shared = random([3, 6], seed: 9)
    try check(Tied(a: shared, b: shared, names: ["a", "b"]))
    for (visited, forgotten) in [("a", "b"), ("b", "a")] {
      let model = Tied(a: shared, b: shared, names: [visited])
      #expect(error { try model.checkChildren() }?.found == "its property \(forgotten) not visited")
    }
  }

  /// A number that is learned in vain, and one that is a setting.
  private struct Scaled: Layer {
    var layer = Linear(6, 6)
    var factor: Float = 2
    @noDerivative var setting: Float = 2

    @differentiable(reverse)
    func callAsFunction(_ input: Tensor) -> Tensor { layer(input) * withoutDerivative(at: factor) }

    mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
      visit("layer", &layer, gradient?.layer)
    }
  }

  @Test func numbersThatCannotBeTrained() {
    #expect(
      error { try Scaled().checkChildren() }?.description
        == "Scaled: found its property factor to be a number, which has a gradient but cannot be trained, "
        + "expected a Tensor, or @noDerivative")
  }

  /// A gradient that is worked out, such as that of tied weights, passes.
  private struct Halved: Layer {
    var weight = random([3, 6])

    @differentiable(reverse)
    func callAsFunction(_ input: Tensor) -> Tensor { input * weight }

    mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
      visit("weight", &weight, gradient.map { $0.weight * 0.5 })
    }
  }

  @Test func gradientsMayBeComputed() throws { try check(Halved()) }

  @Test func aStepWithAForgottenChildEndsTheProgram() async {
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var model = Model(.forgottenLayer)
      var optimizer = SGD(learningRate: 0.1)
      let x = random([3, 6])
      optimizer.update(
        &model, along: gradient(at: model) { meanSquaredError($0(x), target: x) })
    }
    expectMessage(result, "Model: found its property layer not visited, expected visit(\"layer\"")
  }

  @Test func packingAndQuantizingEndTheProgram() async {
    let packed = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Model(.forgottenArray).packed()
    }
    expectMessage(packed, "Model: found its property list not visited")
    let quantized = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Model(.forgottenLayer).quantized(.b158)
    }
    expectMessage(quantized, "Model: found its property layer not visited")
  }

  /// After the first step nothing is compared any more.
  @Test func laterStepsAreNotChecked() {
    var model = Model(.none)
    var optimizer = SGD(learningRate: 0.1)
    func step() {
      optimizer.update(
        &model,
        along: gradient(at: model) { meanSquaredError($0(Self.x), target: Self.x) })
    }
    step()
    model.mistake = .forgottenLayer
    step()
    #expect(optimizer.memory.step == 2)
  }
}
