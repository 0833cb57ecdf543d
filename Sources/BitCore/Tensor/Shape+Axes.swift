extension Shape {
  /// The axis that a number stands for: negative numbers count from the end, -1 being the last axis.
  func axis(_ number: Int) -> Int {
    let axis = number < 0 ? number + rank : number
    precondition(axis >= 0 && axis < rank, "axis \(number) is outside a tensor of shape \(self)")
    return axis
  }

  /// The axes that several numbers stand for, none of which may be named twice.
  func axes(_ numbers: [Int]) -> [Int] {
    let axes = numbers.map(axis)
    precondition(Set(axes).count == axes.count, "an axis of \(self) is named twice in \(numbers)")
    return axes
  }

  /// The shape seen from one axis: the values before, along and after it.
  func split(at axis: Int) -> (outer: Int, extent: Int, inner: Int) {
    (extents[..<axis].reduce(1, *), extents[axis], extents[(axis + 1)...].reduce(1, *))
  }

  /// The same shape with another extent of one axis.
  func replacing(axis: Int, with extent: Int) -> Shape {
    var result = extents
    result[axis] = extent
    return Shape(result)
  }

  /// The distance in memory between neighbours along each axis, in values.
  var steps: [Int] {
    var steps = extents
    var step = 1
    for axis in extents.indices.reversed() {
      steps[axis] = step
      step *= extents[axis]
    }
    return steps
  }

  /// The shape of a result of two operands by the broadcasting rules of NumPy: axes are compared
  /// from the last one on, a missing axis counts as an extent of 1, and an extent of 1 fits any
  /// other. Nil if the shapes do not fit.
  public func broadcast(with other: Shape) -> Shape? {
    let rank = Swift.max(rank, other.rank)
    var result = [Int](repeating: 1, count: rank)
    for axis in 0..<rank {
      let a = axis < rank - self.rank ? 1 : extents[axis - (rank - self.rank)]
      let b = axis < rank - other.rank ? 1 : other.extents[axis - (rank - other.rank)]
      guard a == b || a == 1 || b == 1 else { return nil }
      result[axis] = a == 1 ? b : a
    }
    return Shape(result)
  }

  /// The distance in memory between neighbours of a contiguous tensor of this shape along each axis
  /// of a shape that it is broadcast to: 0 where one value stands for all.
  func steps(broadcastTo shape: Shape) -> [Int] {
    let missing = [Int](repeating: 0, count: shape.rank - rank)
    return missing + zip(extents, steps).map { $0 == 1 ? 0 : $1 }
  }
}
