import Testing

@testable import BitCore

@Suite struct AxesTests {
  private static func permutations(_ count: Int) -> [[Int]] {
    guard count > 1 else { return [Array(0..<count)] }
    return permutations(count - 1).flatMap { rest in
      (0..<count).map { place in Array(rest[..<place]) + [count - 1] + Array(rest[place...]) }
    }
  }

  @Test(arguments: [
    [], [5], [2, 3], [33, 18], [2, 3, 4], [3, 17, 20], [1, 4, 3], [2, 1, 3, 4], [3, 2, 5, 1],
    [2, 17, 2, 19], [0, 3, 2],
  ])
  func `every order of axes`(extents: [Int]) {
    let x = random(Shape(extents))
    for order in Self.permutations(extents.count) {
      let y = x.transposed(axes: order)
      #expect(y.shape.extents == (order.isEmpty ? [] : order.map { extents[$0] }))
      let expected = y.shape.indexes.map { index in
        var source = index
        for (place, axis) in order.enumerated() { source[axis] = index[place] }
        return x.broadcastValue(at: source)
      }
      #expect(y.scalars == expected, "\(order)")
      #expect(y.transposed(axes: x.inverseOrder(ofAxes: order)) == x, "\(order)")
    }
  }

  @Test func `large transposes`() {
    let x = random([301, 517])
    let y = x.swappedAxes(0, 1)
    #expect(y.shape == [517, 301])
    for row in 0..<301 {
      let (a, b) = (x.rows(row..<row + 1), y.sliced(axis: 1, row..<row + 1))
      #expect(a.scalars == b.scalars, "\(row)")
    }
    #expect(x.transposed() == y)
    #expect(x.transposed(-1, 0) == y)
    #expect(y.swappedAxes(-1, -2) == x)
  }

  @Test(arguments: [[3, 0, 2], [2, 1, 1], [4, 7, 6], [2, 40, 33], [3, 9_000], [2, 3, 4, 5]])
  func `sums and means over every choice of axes`(extents: [Int]) {
    let shape = Shape(extents)
    let x = random(shape)
    for choice in 0..<1 << shape.rank {
      let axes = shape.indices.filter { choice >> $0 & 1 == 1 }
      let kept = Shape(shape.indices.map { axes.contains($0) ? 1 : shape[$0] })
      var expected = [Double](repeating: 0, count: kept.scalarCount)
      for (index, value) in zip(shape.indexes, x.doubles) {
        let place = zip(index, kept).reduce(0) { $0 * $1.1 + ($1.1 == 1 ? 0 : $1.0) }
        expected[place] += value
      }
      let sum = x.sum(axes: axes.reversed(), keepsDimensions: true)
      #expect(sum.shape == kept)
      #expect(difference(sum, expected, relative: 1e-6, absolute: 2e-5) == nil)
      let short = x.sum(axes: axes.map { $0 - shape.rank })
      #expect(short.shape.extents == shape.indices.filter { !axes.contains($0) }.map { shape[$0] })
      #expect(short.scalars == sum.scalars)
      let count = Float(axes.reduce(1) { $0 * shape[$1] })
      #expect(sameBits(x.mean(axes: axes, keepsDimensions: true), sum / count))
      #expect(sum.sumReverse(of: shape, axes: axes) == sum.broadcast(to: shape))
      #expect(short.sumReverse(of: shape, axes: axes) == sum.broadcast(to: shape))
    }
  }

  @Test func `a long row loses no digits`() {
    // Sixteen running sums alone would be off by a thousandth.
    let sums = Tensor(repeating: 1.1, shape: [2, 1_000_000]).sum(axes: [1])
    let expected = 1e6 * Double(Float(1.1))
    #expect(difference(sums, [expected, expected], relative: 1e-5) == nil)
  }

  @Test func `one value`() async {
    #expect(Tensor([2.5], shape: [1, 1]).item() == 2.5)
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = Tensor.zeros([2]).item()
    }
    expectMessage(result, "a tensor of shape [2] has 2 values, not one")
  }

  @Test func `axes that are not there are refused`() async {
    let outside = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = Tensor.zeros([2, 3]).sum(axes: [2])
    }
    expectMessage(outside, "axis 2 is outside a tensor of shape [2, 3]")
    let twice = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = Tensor.zeros([2, 3]).transposed(1, -1)
    }
    expectMessage(twice, "an axis of [2, 3] is named twice in [1, -1]")
  }
}
