import BitCore
@testable import BitTraining
import TestSupport
import Testing

/// The fixed order of addition, in one process and in several.
struct PartSumTests {
  /// A part's result, whose rounding shows the order of addition. The second gradient is there in
  /// some parts only, the third in none.
  private static func result(_ part: Int) -> PartResult {
    var generator = SeededGenerator(seed: 21, stream: UInt64(part))
    let first = generator.normal([5, 3])
    let second = part % 3 == 1 ? generator.normal([4]) * -0.0 : .zero
    return PartResult(gradients: [first, second, .zero], sums: [Double(first[0, 0]) / 3, 1])
  }

  /// The rule as it is written down.
  private static func tree(_ range: Range<Int>) -> PartResult {
    if range.count % 2 == 1 {
      return range.dropFirst().reduce(into: result(range.lowerBound)) { $0.add(result($1)) }
    }
    let middle = range.lowerBound + range.count / 2
    var sum = tree(range.lowerBound..<middle)
    sum.add(tree(middle..<range.upperBound))
    return sum
  }

  private static func same(_ a: PartResult, _ b: PartResult) -> Bool {
    a.sums == b.sums && a.gradients.count == b.gradients.count
      && zip(a.gradients, b.gradients).allSatisfy(sameBits)
  }

  @Test(arguments: 1...32)
  func isTheTreeInAnyNumberOfProcesses(parts: Int) throws {
    let expected = Self.tree(0..<parts)
    for processes in BatchParts(parts).processCounts {
      let totals = try inProcesses(processes) { group in
        let range = try BatchParts(parts).range(of: group)
        var sum = PartSum(count: range.count)
        for part in range { sum.add(Self.result(part)) }
        var total = sum.total
        try group.sum(&total)
        return total
      }
      #expect(totals.count == processes)
      #expect(totals.allSatisfy { Self.same($0, expected) }, "\(processes) processes")
    }
  }

  @Test func orderMatters() {
    // Without this the test above would pass with any order.
    let all = (1..<32).reduce(into: Self.result(0)) { $0.add(Self.result($1)) }
    #expect(!Self.same(all, Self.tree(0..<32)))
  }

  @Test(arguments: 1...70)
  func keepsFewResults(parts: Int) {
    var sum = PartSum(count: parts)
    var most = 0
    for _ in 0..<parts {
      sum.add(PartResult(gradients: []))
      most = max(most, sum.keptCount)
    }
    #expect(sum.keptCount == 1)
    #expect(1 << (most - 1) <= parts)
  }

  @Test(
    arguments: [
      (1, [1]), (2, [1, 2]), (3, [1]), (12, [1, 2, 4]), (32, [1, 2, 4, 8, 16, 32]),
      (24, [1, 2, 4, 8]),
    ])
  func processCounts(parts: Int, counts: [Int]) {
    #expect(BatchParts(parts).processCounts == counts)
  }

  @Test(arguments: [
    (8, 3, "1, 2, 4 or 8"), (6, 4, "1 or 2"), (5, 2, "1, because"), (2, 4, "1 or 2"),
  ])
  func otherNumbersOfProcessesAreRefused(parts: Int, processes: Int, expected: String) {
    expectError(.mismatch, "processes", "\(processes) for a batch of \(parts) parts", expected) {
      _ = try inProcesses(processes) { try BatchParts(parts).range(of: $0) }
    }
  }

  @Test func manyValuesAreCutIntoChunks() throws {
    let shapes: [Shape] = [[700_001], [3], [800, 1000], [0], [1]]
    let values = (0..<2).map { process in
      shapes.enumerated().map { random($1, seed: UInt64(10 * process + $0)) }
    }
    let sums = try inProcesses(2) { group in
      var tensors = values[group.rank]
      try group.sum(&tensors)
      return tensors
    }
    for sum in sums {
      for (index, tensor) in sum.enumerated() {
        #expect(sameBits(tensor, values[0][index] + values[1][index]), "tensor \(index)")
      }
    }
  }
}
