import BitCore

extension ProcessGroup {
  /// Adds up the results of all processes; each gets the sum.
  ///
  /// The order is that of ``BatchParts``: neighbours first, then pairs of neighbours, and so on. If
  /// each process has the ``PartSum`` of its parts, the result has the bits of the sum that one
  /// process makes of all parts, gradients that are `Tensor.zero` included. (Only which of several
  /// kinds of NaN a NaN is can differ.)
  ///
  /// - Throws: `InputError` if the number of processes is not a power of two, if shapes differ
  ///   between processes, or if a process cannot be reached.
  public func sum(_ result: inout PartResult) throws(InputError) {
    try sum(&result.gradients)
    try sum(&result.sums)
  }

  /// Adds up the tensors of all processes, the first ones, the second ones, and so on; a
  /// `Tensor.zero` fits any shape. They are added in the order of
  /// ``BatchParts``, and errors are those of the sum of a ``PartResult``.
  public func sum(_ tensors: inout [Tensor]) throws(InputError) {
    if count == 1 { return }
    try requirePowerOfTwo()
    for (index, shape) in try commonShapes(tensors).enumerated() {
      // A negative zero changes nothing that it is added to, not even a zero.
      if tensors[index].isZeroElement, shape != Tensor.zero.shape {
        tensors[index] = Tensor(repeating: -0.0, shape: shape)
      }
    }
    // Tensors follow one another, so that many small ones cost no more messages than a large one.
    let capacity = min(Self.chunk, tensors.reduce(0) { $0 + $1.count })
    let scratch = AlignedBuffer<Float>(uninitialized: capacity)
    let chunk = AlignedBuffer<Float>(uninitialized: capacity)
    var pieces: [Piece] = []
    var filled = 0
    for index in tensors.indices {
      var start = 0
      while start < tensors[index].count {
        let piece = Piece(
          tensor: index, start: start, place: filled,
          count: min(tensors[index].count - start, capacity - filled))
        chunk.pointer.advanced(by: filled).update(
          from: tensors[index].pointer + start, count: piece.count)
        pieces.append(piece)
        filled += piece.count
        start += piece.count
        if filled == capacity {
          try flush(chunk, &filled, &pieces, scratch, into: &tensors)
        }
      }
    }
    try flush(chunk, &filled, &pieces, scratch, into: &tensors)
  }

  /// Adds up the numbers of all processes, the first ones, the second ones, and so on. They are
  /// added in the order of ``BatchParts``, and errors are those of the sum of a ``PartResult``.
  public func sum(_ numbers: inout [Double]) throws(InputError) {
    if count == 1 { return }
    try requirePowerOfTwo()
    try requireEqual("\(numbers.count)", "the number of sums")
    let values = AlignedBuffer(numbers)
    let scratch = AlignedBuffer<Double>(uninitialized: numbers.count)
    try sum(values, numbers.count, scratch)
    numbers = Array(values.elements)
  }

  /// The values of a chunk, which is what one exchange is about: 4 MiB.
  private static var chunk: Int { 1 << 20 }

  /// A part of a tensor and its place in a chunk.
  private struct Piece {
    let tensor: Int
    let start: Int
    let place: Int
    let count: Int
  }

  private func flush(
    _ chunk: AlignedBuffer<Float>, _ filled: inout Int, _ pieces: inout [Piece],
    _ scratch: AlignedBuffer<Float>, into tensors: inout [Tensor]
  ) throws(InputError) {
    guard filled > 0 else { return }
    try sum(chunk, filled, scratch)
    for piece in pieces {
      tensors[piece.tensor].withUnsafeMutablePointer {
        ($0 + piece.start).update(from: chunk.pointer + piece.place, count: piece.count)
      }
    }
    pieces = []
    filled = 0
  }

  /// Adds up `count` values of all processes, in place.
  ///
  /// At each level of the tree two processes, which have the sums of two neighbouring branches,
  /// share the work: each adds one half of the values and sends the other half. At the end every
  /// process has the sums of a part of the values, and gives them to the others on the way back.
  private func sum<Value: BinaryFloatingPoint & BitwiseCopyable>(
    _ buffer: AlignedBuffer<Value>, _ count: Int, _ scratch: AlignedBuffer<Value>
  ) throws(InputError) {
    let (values, other) = (buffer.pointer, scratch.pointer)
    defer { withExtendedLifetime((buffer, scratch)) {} }
    var halves: [(kept: Range<Int>, given: Range<Int>)] = []
    var range = 0..<count
    var distance = 1
    while distance < self.count {
      let middle = range.lowerBound + range.count / 2
      let parts = (range.lowerBound..<middle, middle..<range.upperBound)
      let isFirst = rank & distance == 0
      let (kept, given) = isFirst ? parts : (parts.1, parts.0)
      try exchange(values, given, other, 0..<kept.count, with: rank ^ distance)
      // Addition of two numbers gives the same bits in either order; this is the tree's.
      for i in 0..<kept.count {
        let own = values[kept.lowerBound + i]
        values[kept.lowerBound + i] = isFirst ? own + other[i] : other[i] + own
      }
      halves.append((kept, given))
      range = kept
      distance *= 2
    }
    while let (kept, given) = halves.popLast() {
      distance /= 2
      try exchange(values, kept, values, given, with: rank ^ distance)
    }
  }

  private func exchange<Value>(
    _ values: UnsafeMutablePointer<Value>, _ sent: Range<Int>,
    _ other: UnsafeMutablePointer<Value>, _ received: Range<Int>, with partner: Int
  ) throws(InputError) {
    try exchange(
      UnsafeRawBufferPointer(
        UnsafeBufferPointer(start: values + sent.lowerBound, count: sent.count)), to: partner,
      UnsafeMutableRawBufferPointer(
        UnsafeMutableBufferPointer(start: other + received.lowerBound, count: received.count)),
      from: partner)
  }

  func requirePowerOfTwo() throws(InputError) {
    guard count & (count - 1) == 0 else {
      throw InputError(
        .mismatch, source: "processes", found: "\(count)", expected: "a power of two")
    }
  }

  /// The shape of each tensor in the processes where it is not `Tensor.zero`.
  private func commonShapes(_ tensors: [Tensor]) throws(InputError) -> [Shape] {
    let own = tensors.map { $0.shape.extents.map(\.description).joined(separator: ",") }
    var shapes = tensors.map(\.shape)
    for (process, text) in try gather(own.joined(separator: ";")).enumerated() {
      let others = text.split(separator: ";", omittingEmptySubsequences: false)
        .map { Shape($0.split(separator: ",").compactMap { Int($0) }) }
      guard others.count == max(1, shapes.count) else {
        throw InputError(
          .mismatch, source: "gradients", found: "\(others.count) in process \(process)",
          expected: "\(shapes.count), as in process \(rank)")
      }
      for index in shapes.indices where others[index] != Tensor.zero.shape {
        if shapes[index] == Tensor.zero.shape { shapes[index] = others[index] }
        guard shapes[index] == others[index] else {
          throw InputError(
            .mismatch, source: "gradient \(index)",
            found: "the shape \(others[index]) in process \(process)",
            expected: "\(shapes[index]), as in process \(rank)")
        }
      }
    }
    return shapes
  }
}
