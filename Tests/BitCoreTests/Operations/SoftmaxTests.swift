import Foundation
import Testing

@testable import BitCore

@Suite struct SoftmaxTests {
  private func reference(_ x: [Double]) -> [Double] {
    let largest = x.max() ?? 0
    let powers = x.map { exp($0 - largest) }
    let sum = powers.reduce(0, +)
    return powers.map { $0 / sum }
  }

  @Test(arguments: [1, 3, 8, 100, 10_000])
  func `rows in double`(width: Int) {
    let x = random([3, width]) * 3
    let y = SoftmaxOperation.forward(x)
    let dy = random([3, width], seed: 9)
    let gradient = SoftmaxOperation.reverse(output: y, upstream: dy)
    for row in 0..<3 {
      let expected = reference(x.rows(row..<row + 1).doubles)
      #expect(difference(y.rows(row..<row + 1), expected, relative: 2e-6) == nil)
      let upstream = dy.rows(row..<row + 1).doubles
      let product = DoubleReference.dot(expected, upstream)
      let slope = zip(expected, upstream).map { $0 * ($1 - product) }
      #expect(
        difference(gradient.rows(row..<row + 1), slope, relative: 2e-6, absolute: 1e-6) == nil)
    }
  }

  @Test(arguments: [(1, 1), (4, 4), (3, 7), (1, 9)])
  func `a causal mask equals an added one`(queries: Int, keys: Int) {
    let x = random([2, queries, keys])
    let mask = Tensor(
      (0..<queries * keys).map { $0 % keys <= keys - queries + $0 / keys ? 0 : -.infinity },
      shape: [queries, keys])
    let causal = SoftmaxOperation.forward(x, mask: .causal)
    let additive = SoftmaxOperation.forward(x, mask: .additive(mask))
    #expect(difference(causal, additive.doubles, relative: 1e-6) == nil)
    let dy = random(x.shape, seed: 4)
    let (a, b) = (
      SoftmaxOperation.reverse(output: causal, mask: .causal, upstream: dy),
      SoftmaxOperation.reverse(output: causal, mask: .additive(mask), upstream: dy)
    )
    #expect(difference(a, b.doubles, relative: 1e-6, absolute: 1e-7) == nil)
  }

  @Test func `a row that sees nothing is zeros`() {
    let x = Tensor([1, 2, -.infinity, -.infinity, 0, 0], shape: [3, 2])
    let y = SoftmaxOperation.forward(x)
    #expect(y.scalars[2...] == [0, 0, 0.5, 0.5])
    let masked = SoftmaxOperation.forward(
      x, mask: .additive(Tensor([-.infinity, 0, 0], shape: [3, 1])))
    #expect(masked.scalars == [0, 0, 0, 0, 0.5, 0.5])
    let gradient = SoftmaxOperation.reverse(output: masked, upstream: random([3, 2]))
    #expect(gradient.scalars[..<4].allSatisfy { $0 == 0 })
  }

  @Test func `NaN and infinity stay within what sees them`() {
    let x = Tensor([0, .nan, 0, 0, 0, 0, .infinity, 0, 0], shape: [3, 3])
    let y = SoftmaxOperation.forward(x)
    #expect(y.scalars.map(\.isNaN) == [true, true, true, false, false, false, true, true, true])
    let causal = SoftmaxOperation.forward(x, mask: .causal)
    #expect(
      causal.scalars.map(\.isNaN) == [false, false, false, false, false, false, true, true, true])
    #expect(causal.scalars[..<6] == [1, 0, 0, 0.5, 0.5, 0])
  }

  @Test func `masks that do not fit are refused`() async {
    let causal = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = SoftmaxOperation.forward(.zeros([3, 2]), mask: .causal)
    }
    expectMessage(causal, "at least as many keys, not [3, 2]")
    let additive = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = SoftmaxOperation.forward(.zeros([3, 2]), mask: .additive(.zeros([4, 3, 2])))
    }
    expectMessage(additive, "a mask of shape [4, 3, 2] does not broadcast to [3, 2]")
  }
}
