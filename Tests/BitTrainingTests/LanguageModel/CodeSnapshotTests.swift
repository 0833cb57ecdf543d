import BitCore
import BitNN
import TestSupport
import Testing

@testable import BitTraining

/// Shares and flips of codes, against codes that are counted one by one.
@Suite struct CodeSnapshotTests {
  /// Odd sizes, so that the bytes of rows are not full.
  private static func model(_ recipe: QuantizationRecipe, seed: UInt64) -> Pair<BitLinear> {
    var generator = SeededGenerator(seed: seed)
    return Pair(
      BitLinear(13, 6, recipe: recipe, using: &generator),
      BitLinear(6, 5, recipe: recipe, using: &generator))
  }

  /// The codes of a layer by the formulas of the recipes.
  private static func codes(_ layer: BitLinear, _ recipe: QuantizationRecipe) -> [Int] {
    let values = layer.weight.scalars
    let mean = values.reduce(0.0) { $0 + Double($1) } / Double(values.count)
    let size = values.reduce(0.0) { $0 + Double(abs($1)) } / Double(values.count)
    return values.map { value in
      recipe == .bitnet
        ? Double(value) > mean ? 1 : -1
        : Int(max(-1, min(1, (Double(value) / size).rounded(.toNearestOrEven))))
    }
  }

  private static let recipes: [QuantizationRecipe] = [.bitnet, .b158]

  @Test(arguments: recipes.indices)
  func countsAreThoseOfTheCodes(_ index: Int) throws {
    let recipe = Self.recipes[index]
    let model = Self.model(recipe, seed: 1)
    let snapshot = CodeSnapshot(of: model)
    #expect(snapshot.layers.map(\.name) == ["first", "second"])
    for (layer, own) in zip(snapshot.layers, [model.first, model.second]) {
      let codes = Self.codes(own, recipe)
      let values = recipe == .bitnet ? [-1, 1] : [-1, 0, 1]
      #expect(layer.count == codes.count)
      #expect(layer.counts == values.map { value in codes.count { $0 == value } })
      #expect(abs(layer.shares.reduce(0, +) - 1) < 1e-12)
      #expect(
        layer.shares.map { $0 * Double(layer.count) }.map { Int($0.rounded()) } == layer.counts)
    }
  }

  @Test(arguments: recipes.indices)
  func flipsAreCodesThatDiffer(_ index: Int) throws {
    let recipe = Self.recipes[index]
    let (a, b) = (Self.model(recipe, seed: 1), Self.model(recipe, seed: 2))
    let pairs = [(a.first, b.first), (a.second, b.second)].map {
      (Self.codes($0, recipe), Self.codes($1, recipe))
    }
    let changed = pairs.reduce(0) { sum, pair in
      sum + zip(pair.0, pair.1).count { $0 != $1 }
    }
    let all = pairs.reduce(0) { $0 + $1.0.count }
    #expect(changed > 10 && changed < all)
    let snapshots = [a, b].map { CodeSnapshot(of: $0) }
    #expect(snapshots[1].flips(since: snapshots[0]) == Double(changed) / Double(all))
    #expect(snapshots[0].flips(since: snapshots[1]) == Double(changed) / Double(all))
    #expect(snapshots[0].flips(since: CodeSnapshot(of: a)) == 0)
  }

  @Test func floatModelsHaveNone() {
    let snapshot = CodeSnapshot(of: perceptron([8, 4], nil))
    #expect(snapshot.layers.isEmpty && snapshot.flips(since: snapshot) == 0)
  }

  /// What a training reports are the flips of single steps, and their course.
  @Test func trainingReportsTheFlipsOfAStep() throws {
    var options = TinyDecoders.options(steps: 4)
    options.reportInterval = 1
    var trainer = try DecoderTrainer(
      TinyDecoders.model(),
      training: TinyDecoders.windows(TinyDecoders.tokens(TinyDecoders.documents())),
      options: options)
    var snapshots = [CodeSnapshot(of: trainer.model)]
    try trainer.run(didStep: { snapshots.append(CodeSnapshot(of: $0.model)) })
    let flips = zip(snapshots, snapshots.dropFirst()).map { $1.flips(since: $0) }
    #expect(trainer.history.points.map(\.flips) == flips)
    #expect(flips.contains { $0 > 0 })
  }
}
