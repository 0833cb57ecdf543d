import BitCore
import BitFormats
import TestSupport
import Testing
import _Differentiation

@testable import BitNN

@Suite struct FreezingTests {
  private static let x = random([5, 12])
  private static let target = random([5, 4], seed: 2)

  private static let names = SampleNetwork().parameters().map(\.name)

  private func train<M: Layer>(_ model: inout M, _ optimizer: inout some Optimizer, steps: Int = 3)
  {
    for _ in 0..<steps {
      let gradient = gradient(at: model) { meanSquaredError($0(Self.x), target: Self.target) }
      optimizer.update(&model, along: gradient)
    }
  }

  /// The names of parameters that training changed.
  private func changed<M: Module>(_ model: M, from old: M) -> [String] {
    zip(model.parameters(), old.parameters()).filter { !sameBits($0.value, $1.value) }
      .map(\.0.name)
  }

  @Test(arguments: [true, false])
  func frozenParametersStay(_ usesAdam: Bool) {
    let frozen = ["norm.weight", "hidden.1.weight", "hidden.1.bias", "extra.weight"]
    var model = SampleNetwork().quantized(.b158) { name, _ in name != "extra" }
    model.freeze { frozen.contains($0) }
    #expect(model.frozenNames == frozen)
    let before = model
    // Weight decay and momentum, which change parameters without a gradient, too.
    var adam = AdamW(learningRate: 0.1, weightDecay: 0.1)
    var sgd = SGD(learningRate: 0.1, momentum: 0.9, weightDecay: 0.1)
    if usesAdam { train(&model, &adam) } else { train(&model, &sgd) }
    #expect(changed(model, from: before) == Self.names.filter { !frozen.contains($0) })
    let memory = usesAdam ? adam.memory : sgd.memory
    #expect(!memory.tensors.keys.contains { key in frozen.contains { key.hasPrefix($0) } })

    model.unfreeze { $0.hasPrefix("hidden.") }
    #expect(model.frozenNames == ["norm.weight", "extra.weight"])
    let between = model
    if usesAdam { train(&model, &adam, steps: 1) } else { train(&model, &sgd, steps: 1) }
    #expect(
      changed(model, from: between)
        == Self.names.filter { !["norm.weight", "extra.weight"].contains($0) })
    model.unfreeze()
    #expect(model.frozenNames.isEmpty)
  }

  @Test func everythingIsFrozenByDefault() {
    var model = SampleNetwork()
    model.freeze()
    #expect(model.frozenNames == Self.names)
    let before = model
    var optimizer = SGD(learningRate: 1, momentum: 0.9)
    train(&model, &optimizer)
    #expect(changed(model, from: before).isEmpty)
    let gradient = gradient(at: model) { meanSquaredError($0(Self.x), target: Self.target) }
    #expect(GradientClipping.norm(of: gradient, for: model) == 0)
  }

  @Test func frozenParametersAreSavedLoadedAndQuantized() throws {
    var model = SampleNetwork()
    model.freeze { $0.hasPrefix("output.") }
    try withFolder { folder in
      try model.save(to: "\(folder)/model")
      var other = SampleNetwork(seed: 7)
      other.freeze()
      try other.load(path: "\(folder)/model")
      #expect(sameParameters(other, model))
      #expect(other.frozenNames == Self.names)
    }
    #expect(model.quantized(.b158).frozenNames == ["output.weight", "output.bias"])
    #expect(model.parameterCount == SampleNetwork().parameterCount)
  }

  @Test func learnedNormsAndTablesAreFrozen() {
    var layer = BitLinear(12, 4, recipe: .b158, learnsNorm: true)
    layer.freeze { $0 == "norm.weight" }
    let before = layer
    var optimizer = SGD(learningRate: 0.1)
    train(&layer, &optimizer)
    #expect(changed(layer, from: before) == ["weight"])
    var table = Embedding(3, 4)
    table.freeze()
    #expect(table.frozenNames == ["weight"])
    var norm = GroupNorm(2, 4)
    norm.freeze { $0 == "bias" }
    #expect(norm.frozenNames == ["bias"])
  }

  /// A module with parameters of its own.
  struct Own: Module {
    var scale = random([12])
    var layer = Linear(12, 4)
    @noDerivative var frozenParameters: Set<String> = []

    mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
      visit("scale", &scale, gradient?.scale)
      visit("layer", &layer, gradient?.layer)
    }
  }

  /// One that did not declare what it needs for that.
  struct Unprepared: Module {
    var scale = random([12])
    var norm = RMSNorm(12)
    mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
      visit("scale", &scale, gradient?.scale)
      visit("norm", &norm, gradient?.norm)
    }
  }

  @Test func modulesWithParametersOfTheirOwn() async {
    var own = Own()
    own.freeze { $0 == "scale" || $0 == "layer.bias" }
    #expect(own.frozenNames == ["scale", "layer.bias"])
    var unprepared = Unprepared()
    unprepared.freeze { $0.hasPrefix("norm") }
    #expect(unprepared.frozenNames == ["norm.weight"])
    let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      var unprepared = Unprepared()
      unprepared.freeze()
    }
    expectMessage(
      result,
      "Unprepared cannot freeze its parameter scale: it needs a property @noDerivative var "
        + "frozenParameters: Set<String> = []")
  }
}
