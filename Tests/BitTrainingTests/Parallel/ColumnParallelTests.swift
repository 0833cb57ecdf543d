import BitCore
import BitNN
@testable import BitTraining
import TestSupport
import Testing

/// A BitLinear layer whose groups of rows are divided among processes.
struct ColumnParallelTests {
  private static func layer(_ recipe: QuantizationRecipe, groups: Int) -> BitLinear {
    var generator = SeededGenerator(seed: 7)
    var layer = BitLinear(
      24, 16, groups: groups, bias: true, recipe: recipe,
      learnsNorm: recipe.normalization != nil, using: &generator)
    layer.normWeight = layer.normWeight.map { generator.normal($0.shape) }
    return layer
  }

  @Test(arguments: ["bitnet", "b158"], [1, 2, 4])
  func isTheUndividedLayer(recipe: String, processes: Int) throws {
    let recipe = try #require(QuantizationRecipe.named(recipe))
    let layer = Self.layer(recipe, groups: 4)
    let (input, upstream) = (random([3, 2, 24], seed: 2), random([3, 2, 16], seed: 3))
    let (output, pullback) = valueWithPullback(at: layer, input) { $0($1) }
    let (expected, expectedInput) = pullback(upstream)

    let shards = try inProcesses(processes) { group in
      let columns = try ColumnParallelBitLinear(layer, over: group)
      let (value, pullback) = valueWithPullback(at: columns, input) { $0($1) }
      let (gradient, inputGradient) = pullback(upstream)
      let (_, ownPullback) = valueWithPullback(at: columns) { $0(input) }
      let own = ownPullback(upstream)
      try columns.checkChildren(gradient: gradient)
      return (
        output: value, input: inputGradient, gradient: columns.namedGradients(gradient),
        alone: columns.namedGradients(own), whole: try columns.whole(), inference: columns(input)
      )
    }
    #expect(shards.count == processes)
    let wanted = layer.namedGradients(expected)
    for (rank, shard) in shards.enumerated() {
      #expect(sameBits(shard.output, output) && sameBits(shard.inference, output))
      #expect(sameParameters(shard.whole, layer))
      #expect(sameBits(shard.input, shards[0].input))
      #expect(isClose(shard.input, expectedInput))
      #expect(shard.gradient.keys.sorted() == wanted.keys.sorted())
      for (name, gradient) in shard.gradient {
        let whole = try #require(wanted[name])
        let isShared = name.hasPrefix("norm.")
        let size = isShared ? whole.count : whole.count / processes
        let rows = isShared ? 0..<size : rank * size..<(rank + 1) * size
        #expect(isClose(gradient, Tensor(whole.scalars[rows], shape: gradient.shape)), "\(name)")
        // Also where the input is data, whose gradient nobody wants.
        #expect(sameBits(gradient, try #require(shard.alone[name])), "\(name)")
      }
    }
  }

  private func isClose(_ a: Tensor, _ b: Tensor) -> Bool {
    let size = b.scalars.map(abs).max() ?? 0
    return a.shape == b.shape
      && zip(a.scalars, b.scalars).allSatisfy { abs($0 - $1) <= 1e-5 * size }
  }

  @Test func groupsAreTakenAsTheyAre() {
    let layer = Self.layer(.b158, groups: 4)
    let input = random([5, 24], seed: 4)
    let output = layer(input)
    let part = layer.rows(ofGroups: 1..<3)
    #expect(part.groups == 2 && part.outFeatures == 8)
    let partOutput = part(input)
    for row in 0..<5 {
      for column in 0..<8 { #expect(partOutput[row, column] == output[row, 4 + column]) }
    }
    // With one group for both, statistics are other ones.
    let other = BitLinear(weight: part.weight, bias: part.bias, groups: 1, recipe: .b158)
    #expect(other(input) != partOutput)
  }

  @Test func frozenParametersStayFrozen() throws {
    var layer = Self.layer(.b158, groups: 2)
    layer.frozenParameters = ["bias"]
    var columns = try ColumnParallelBitLinear(layer, over: .alone)
    let (_, pullback) = valueWithPullback(at: columns) { [input = random([2, 24])] in $0(input) }
    let names = columns.namedGradients(pullback(random([2, 16]))).keys.sorted()
    #expect(names == ["norm.weight", "weight"])
    columns.frozenParameters = []
    #expect(columns.shard.frozenParameters.isEmpty)
  }

  @Test(arguments: [(2, 3, "a power of two"), (2, 4, "a multiple of 4"), (3, 2, "a multiple of 2")])
  func groupsThatCannotBeDividedAreRefused(groups: Int, processes: Int, expected: String) {
    let layer = BitLinear(weight: random([6 * groups, 8]), groups: groups)
    expectError(.mismatch, expected) {
      _ = try inProcesses(processes) { try ColumnParallelBitLinear(layer, over: $0).shard.groups }
    }
  }
}
