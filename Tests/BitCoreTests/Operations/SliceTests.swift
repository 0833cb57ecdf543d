import Testing

@testable import BitCore

@Suite struct SliceTests {
  @Test(arguments: [[4], [4, 3], [2, 4, 3], [2, 3, 4], [1, 4, 1], [300, 4, 200]])
  func `parts of an axis and the whole`(extents: [Int]) throws {
    let x = random(Shape(extents))
    let axis = try #require(extents.firstIndex(of: 4))
    let parts = [0..<1, 1..<1, 1..<4].map { x.sliced(axis: axis, $0) }
    #expect(parts.map { $0.shape[axis] } == [1, 0, 3])
    #expect(concatenated(parts, axis: axis) == x)
    #expect(concatenated(parts, axis: axis - extents.count) == x)
    #expect(concatenated(x.split(parts: 2, axis: axis), axis: axis) == x)
    #expect(x.gathered([1, 2, 3], axis: axis) == parts[2])
    let gradient = parts[2].slicedReverse(of: x.shape, axis: axis, 1..<4)
    #expect(gradient.sliced(axis: axis, 1..<4) == parts[2])
    #expect(gradient.sliced(axis: axis, 0..<1) == parts[0] * 0)
  }

  /// Each part is the sum of its upstream parts, in their order, for every number of threads.
  @Test(arguments: [[50, 3], [7, 50, 3], [1, 5_000, 40]])
  func `the gradient of what was gathered`(extents: [Int]) {
    let shape = Shape(extents)
    let axis = shape.rank - 2
    var generator = SeededGenerator(seed: 5)
    let indices = generator.integers(2 * extents[axis], in: 0...extents[axis] - 1).map { Int32($0) }
    let x = random(shape)
    let y = x.gathered(indices, axis: axis)
    let upstream = random(y.shape, seed: 7)
    let gradient = upstream.gatheredReverse(of: shape, indices, axis: axis)
    let (outer, extent, inner) = shape.split(at: axis)
    let (from, to, dy) = (x.scalars, y.scalars, upstream.scalars)
    var expected = [Float](repeating: 0, count: shape.scalarCount)
    for group in 0..<outer {
      for (place, index) in indices.enumerated() {
        for i in 0..<inner {
          let source = (group * extent + Int(index)) * inner + i
          let target = (group * indices.count + place) * inner + i
          if from[source] != to[target] { Issue.record("value \(target) is not \(source)") }
          expected[source] += dy[target]
        }
      }
    }
    #expect(gradient.scalars == expected)
  }

  @Test func `what does not fit is refused`() async {
    let range = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = Tensor.zeros([2, 3]).sliced(axis: 1, 2..<4)
    }
    expectMessage(range, "2..<4 is outside axis 1 of a tensor of shape [2, 3]")
    let shapes = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = concatenated([.zeros([2, 3]), .zeros([3, 3])], axis: 1)
    }
    expectMessage(
      shapes, "tensors of shapes [2, 3] and [3, 3] do not fit together along axis 1")
    let parts = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = Tensor.zeros([2, 3]).split(parts: 2, axis: 1)
    }
    expectMessage(parts, "2 parts do not divide axis 1 of [2, 3]")
  }
}
