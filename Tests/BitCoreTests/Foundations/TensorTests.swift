import Testing

@testable import BitCore

@Suite struct TensorTests {
  @Test func `writing to a copy leaves the original alone`() {
    let original = Tensor([1, 2, 3, 4], shape: [2, 2])
    var copy = original
    #expect(copy.pointer == original.pointer)
    copy[1, 0] = 9
    #expect(original.scalars == [1, 2, 3, 4])
    #expect(copy.scalars == [1, 2, 9, 4])
    // Its storage is its own by now, so it is not copied again.
    let address = copy.pointer
    copy.withUnsafeMutablePointer { $0[0] = 7 }
    #expect(copy.pointer == address)
    #expect(copy.scalars == [7, 2, 9, 4])

    var reshaped = original.reshaped([4])
    reshaped[0] = -1
    reshaped.addToRows(Tensor([1, 1, 1, 1]))
    #expect(original.scalars == [1, 2, 3, 4])
    #expect(reshaped.scalars == [0, 3, 4, 5])
  }

  @Test(arguments: [0, 1, 3, 16, 1000])
  func `storage is aligned to 64 bytes`(count: Int) {
    var tensors = [
      Tensor.zeros([count]), Tensor([Float](repeating: 1, count: count)),
      Tensor(uninitialized: [count]),
    ]
    let copies = tensors
    for i in tensors.indices {
      tensors[i].withUnsafeMutablePointer { #expect(UInt(bitPattern: $0) % 64 == 0) }
      copies[i].withUnsafePointer { #expect(UInt(bitPattern: $0) % 64 == 0) }
    }
  }

  @Test func `subscripts are row-major`() {
    var tensor = Tensor((0..<24).map { Float($0) }, shape: [2, 3, 4])
    #expect(tensor[0, 0, 0] == 0)
    #expect(tensor[1, 2, 3] == 23)
    #expect(tensor[1, 0, 2] == 14)
    tensor[1, 0, 2] += 100
    #expect(tensor.scalars[14] == 114)
    #expect(tensor.reshaped([4, 6])[2, 2] == 114)
    #expect(tensor.reshaped([4, 6]).shape == [4, 6])
    #expect(Tensor([5], shape: [])[] == 5)
  }

  @Test func `spans hold the values`() {
    let tensor = Tensor([1, 2, 3, 4], shape: [2, 2])
    #expect(tensor.withSpan { span in span.indices.map { span[$0] } } == tensor.scalars)
    #expect(Tensor.zero.withSpan { $0.isEmpty })
  }

  @Test func `an index outside is refused`() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = Tensor.zeros([2, 3])[0, 3]
    }
    expectMessage(result, "index [0, 3] is outside a tensor of shape [2, 3]")
    let rank = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor.zeros([2, 3, 4])[0, 1]
    }
    expectMessage(rank, "index [0, 1] is outside a tensor of shape [2, 3, 4]")
  }

  @Test func `a count that does not fit a shape is refused`() async {
    let reshaped = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = Tensor.zeros([2, 3]).reshaped([5])
    }
    expectMessage(reshaped, "6 values of shape [2, 3] do not fit shape [5]")
    let made = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = Tensor([1, 2], shape: [3])
    }
    expectMessage(made, "a tensor of shape [3] has 3 values, but 2 were given")
  }

  @Test func `zero adds nothing to any shape`() {
    let tensor = Tensor([1, -2, 3, 4], shape: [2, 2])
    #expect(tensor + .zero == tensor)
    #expect(.zero + tensor == tensor)
    #expect(tensor - .zero == tensor)
    #expect((.zero - tensor).scalars == [-1, 2, -3, -4])
    #expect(Tensor.zero + .zero == .zero)
    #expect(Tensor.zero.isZeroElement)
    // A tensor of zeros is something else: it has a shape.
    #expect(Tensor.zeros([2, 2]) != .zero)
    var sum = Tensor.zero
    for _ in 0..<3 { sum += tensor }
    #expect(sum == tensor * 3)
  }

  @Test func `arithmetic is element by element`() {
    let (a, b) = (Tensor([1, 2, 3]), Tensor([4, -5, 6]))
    #expect((a + b).scalars == [5, -3, 9])
    #expect((a - b).scalars == [-3, 7, -3])
    #expect((a * b).scalars == [4, -10, 18])
    #expect((a * -2).scalars == [-2, -4, -6])
    #expect(a.map { $0 * $0 }.scalars == [1, 4, 9])
    #expect(a != b)
    #expect(Tensor([.nan]) != Tensor([.nan]))
    #expect(a != a.reshaped([3, 1]))
  }

  @Test func `arithmetic over many threads is the same`() {
    let count = 5 * Tensor.parallelGrain + 3
    let a = Tensor((0..<count).map { Float($0 % 1000) })
    let doubled = a + a
    #expect(zip(a.scalars, doubled.scalars).allSatisfy { 2 * $0 == $1 })
  }

  @Test func `rows are summed and added to`() {
    var tensor = Tensor([1, 2, 3, 4, 5, 6], shape: [3, 1, 2])
    #expect(tensor.sumOfRows() == Tensor([9, 12]))
    #expect(Tensor.zeros([0, 2]).sumOfRows() == .zeros([2]))
    tensor.addToRows(Tensor([10, 20]))
    #expect(tensor == Tensor([11, 22, 13, 24, 15, 26], shape: [3, 1, 2]))
  }

  @Test func `shapes that differ do not add`() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = Tensor.zeros([2, 3]) + .zeros([3, 2])
    }
    expectMessage(result, "tensors of shapes [2, 3] and [3, 2] do not fit together")
  }

  @Test func `it describes itself`() {
    #expect(Tensor([1, 2.5], shape: [1, 2]).description == "Tensor([1, 2]: [1.0, 2.5])")
    #expect(
      Tensor.zeros([9]).description
        == "Tensor([9]: [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, ...])")
  }
}

@Suite struct ShapeTests {
  @Test(
    arguments: [
      ([], 1, 1, 1), ([5], 5, 1, 5), ([2, 3], 6, 2, 3), ([2, 3, 4], 24, 6, 4), ([0, 4], 0, 0, 4),
      ([4, 0], 0, 4, 0),
    ] as [([Int], Int, Int, Int)])
  func `rows and features`(extents: [Int], count: Int, rows: Int, features: Int) {
    let shape = Shape(extents)
    #expect(shape.rank == extents.count)
    #expect(shape.scalarCount == count)
    // A collection of its extents.
    #expect(shape.count == extents.count)
    #expect(Array(shape) == extents)
    #expect(shape.first == extents.first && shape.last == extents.last)
    #expect(shape.rows == rows)
    #expect(shape.features == features)
    #expect(shape.description == extents.description)
    if !extents.isEmpty {
      #expect(shape.replacingFeatures(7).extents == extents.dropLast() + [7])
      #expect(shape[extents.count - 1] == features)
    }
  }

  @Test func `negative extents are refused`() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = Shape([2, -1])
    }
    expectMessage(result, "a shape has no negative extents, but [2, -1] does")
  }
}

@Suite struct InputErrorTests {
  @Test func `it reads as one line`() {
    let error = InputError(
      .malformed, source: "train-images", found: "magic number 1", expected: "2051")
    #expect(error.description == "train-images: found magic number 1, expected 2051")
    #expect("\(error)" == error.description)
    #expect(
      error.inside("data.gz")
        == InputError(
          .malformed, source: "data.gz, train-images", found: "magic number 1", expected: "2051"))
    #expect(error.kind == .malformed)
    #expect(
      error
        != InputError(.mismatch, source: "train-images", found: "magic number 1", expected: "2051"))
  }
}
