import BitCore

extension Shape {
  /// All indices of a tensor of this shape, in row-major order.
  var indexes: [[Int]] {
    extents.reduce([[]]) { prefixes, extent in
      prefixes.flatMap { prefix in (0..<extent).map { prefix + [$0] } }
    }
  }
}

extension Tensor {
  /// The value at an index, of which axes beyond this tensor's are left out and axes of extent 1
  /// count as 0: NumPy's broadcasting, one value at a time.
  func broadcastValue(at index: [Int]) -> Float {
    let own = zip(index.suffix(shape.rank), shape).map { $1 == 1 ? 0 : $0 }
    return scalars[zip(own, shape).reduce(0) { $0 * $1.1 + $1.0 }]
  }
}
