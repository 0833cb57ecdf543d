extension Tensor {
  /// The parts of the tensor at some indices of one axis, in the order of the indices, which may
  /// repeat.
  ///
  /// - Parameters:
  ///   - indices: numbers within the extent of the axis.
  ///   - axis: the axis; negative numbers count from the end.
  /// - Returns: a tensor of this shape, with `indices.count` for the extent of the axis.
  public func gathered(_ indices: [Int32], axis: Int = 0) -> Tensor {
    let (axis, outer, extent, inner) = Self.checked(shape, indices, axis)
    let count = indices.count
    return Tensor.build(shape.replacing(axis: axis, with: count)) { out in
      withUnsafePointer { x in
        ThreadPool.shared.parallelFor(
          outer * count, grain: 1 + Self.parallelGrain / (inner + 1)
        ) { range in
          for target in range {
            let source = target / count * extent + Int(indices[target % count])
            (out + target * inner).update(from: x + source * inner, count: inner)
          }
        }
      }
    }
  }

  /// The gradient of a tensor of `shape` from this one of ``gathered(_:axis:)``: each part is the sum
  /// of the parts that were taken from there, in the order of the indices.
  package func gatheredReverse(of shape: Shape, _ indices: [Int32], axis: Int) -> Tensor {
    let (axis, outer, extent, inner) = Self.checked(shape, indices, axis)
    precondition(
      self.shape == shape.replacing(axis: axis, with: indices.count),
      "a gradient of shape \(self.shape) for \(indices.count) indices of axis \(axis) of \(shape)")
    // The places of each index one after the other, so that threads share no sums.
    var ends = [Int](repeating: 0, count: extent + 1)
    for index in indices { ends[Int(index) + 1] += 1 }
    for index in 0..<extent { ends[index + 1] += ends[index] }
    let starts = ends
    var places = [Int](repeating: 0, count: indices.count)
    for (place, index) in indices.enumerated() {
      places[ends[Int(index)]] = place
      ends[Int(index)] += 1
    }
    return Tensor.build(shape) { out in
      withUnsafePointer { upstream in
        ThreadPool.shared.parallelFor(
          outer * extent, grain: 1 + Self.parallelGrain / (inner + 1)
        ) { range in
          for part in range {
            let (group, index) = (part / extent, part % extent)
            let sum = out + part * inner
            sum.update(repeating: 0, count: inner)
            for place in places[starts[index]..<starts[index + 1]] {
              let x = upstream + (group * indices.count + place) * inner
              Self.combine(sum, x, inner, sum) { $0 + $1 }
            }
          }
        }
      }
    }
  }

  private static func checked(
    _ shape: Shape, _ indices: [Int32], _ axis: Int
  ) -> (axis: Int, outer: Int, extent: Int, inner: Int) {
    let axis = shape.axis(axis)
    let (outer, extent, inner) = shape.split(at: axis)
    precondition(
      indices.allSatisfy { $0 >= 0 && $0 < extent }, "an index is outside 0..<\(extent)")
    return (axis, outer, extent, inner)
  }
}
