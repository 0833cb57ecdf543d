import Testing

@testable import BitCore

@Suite struct BroadcastingTests {
  static let pairs: [([Int], [Int])] = [
    ([3], [1]), ([], [2, 3]), ([2, 3], [3]), ([2, 3], [2, 1]), ([2, 1], [1, 3]),
    ([4, 1, 5], [3, 1]), ([2, 1, 3, 1], [5, 1, 7]), ([1, 1], [1]), ([2, 3, 4], [2, 3, 4]),
    ([2, 3, 17], [1, 3, 1]), ([1, 3, 1, 9], [2, 3, 2, 9]), ([0, 3], [1, 3]), ([2, 1], [2, 0]),
    // Rows for many threads.
    ([70, 1, 1000], [2, 1]), ([70_000, 1], [3]),
  ]

  @Test(arguments: pairs)
  func `operators follow NumPy's rules`(a: [Int], b: [Int]) throws {
    let (x, y) = (random(Shape(a), seed: 1), random(Shape(b), seed: 2))
    for (x, y) in [(x, y), (y, x)] {
      let shape = try #require(x.shape.broadcast(with: y.shape))
      let (big, small) = (x.broadcast(to: shape), y.broadcast(to: shape))
      #expect(big.shape == shape)
      if shape.scalarCount < 1000 {
        #expect(big.scalars == shape.indexes.map { x.broadcastValue(at: $0) })
      }
      #expect(x + y == big + small)
      #expect(x - y == big - small)
      #expect(x * y == big * small)
      #expect(sameBits(x / y, big / small))
    }
  }

  @Test(arguments: pairs)
  func `the reverse of broadcasting sums up`(a: [Int], b: [Int]) throws {
    for shape in [a, b].map({ Shape($0) }) {
      let target = try #require(Shape(a).broadcast(with: Shape(b)))
      let x = Tensor((0..<target.scalarCount).map { Float($0 % 7) }, shape: target)
      let sum = x.summed(to: shape)
      #expect(sum.shape == shape)
      guard target.scalarCount < 1000 else { continue }
      var expected = Tensor.zeros(shape)
      for index in target.indexes {
        let own = zip(index.suffix(shape.rank), shape).map { $1 == 1 ? 0 : $0 }
        expected.withUnsafeMutablePointer {
          $0[zip(own, shape).reduce(0) { $0 * $1.1 + $1.0 }] += x.broadcastValue(at: index)
        }
      }
      #expect(sum == expected)
    }
  }

  @Test func `shapes that do not fit`() {
    #expect(Shape([2, 3]).broadcast(with: [3, 2]) == nil)
    #expect(Shape([2]).broadcast(with: [0]) == nil)
    #expect(Shape([2, 1]).broadcast(with: [4]) == [2, 4])
  }

  @Test func `numbers on either side`() {
    let a = Tensor([1, -2, 4])
    #expect((a + 1).scalars == [2, -1, 5])
    #expect((1 + a).scalars == [2, -1, 5])
    #expect((a - 1).scalars == [0, -3, 3])
    #expect((1 - a).scalars == [0, 3, -3])
    #expect((2 * a).scalars == [2, -4, 8])
    #expect((a / 2).scalars == [0.5, -1, 2])
    #expect((2 / a).scalars == [2, -1, 0.5])
    #expect((-a).scalars == [-1, 2, -4])
    #expect((a * a).squareRoot().scalars == [1, 2, 4])
  }

  @Test func `adding in place keeps the shape`() async {
    var a = Tensor([1, 2, 3, 4], shape: [2, 2])
    a += Tensor([10, 20])
    #expect(a == Tensor([11, 22, 13, 24], shape: [2, 2]))
    a -= Tensor([1])
    #expect(a == Tensor([10, 21, 12, 23], shape: [2, 2]))
    a += .zero
    #expect(a.shape == [2, 2])
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      var a = Tensor([1, 2])
      a += .zeros([3, 2])
    }
    expectMessage(result, "a tensor of shape [3, 2] does not broadcast to [2]")
  }
}
