/// The way through the values of a result, row after row, with the steps that two operands take in
/// memory along each of its axes.
///
/// Neighbouring axes are merged where both operands allow it, so that rows are as long as they can
/// be, and axes of extent 1 are left out.
struct AxisWalk {
  /// The extents of the axes but the last, outermost first.
  private var extents: [Int] = []
  /// The steps along these axes.
  private var steps: [(a: Int, b: Int)] = []
  /// The values of a row.
  private(set) var length = 1
  /// The steps along a row.
  private(set) var rowSteps = (a: 1, b: 1)

  /// The way through a result without empty axes.
  init(_ shape: Shape, a: [Int], b: [Int]) {
    for axis in shape.indices where shape[axis] != 1 {
      let step = (a: a[axis], b: b[axis])
      if let last = steps.last, last.a == step.a * shape[axis], last.b == step.b * shape[axis] {
        extents[extents.count - 1] *= shape[axis]
        steps[steps.count - 1] = step
      } else {
        extents.append(shape[axis])
        steps.append(step)
      }
    }
    if let extent = extents.popLast(), let step = steps.popLast() {
      (length, rowSteps) = (extent, step)
    }
  }

  /// Calls `body` with the number of each row and where it begins in the operands, on many threads.
  func forEachRow(_ body: (_ row: Int, _ a: Int, _ b: Int) -> Void) {
    let grain = 1 + Tensor.parallelGrain / length
    ThreadPool.shared.parallelFor(extents.reduce(1, *), grain: grain) { rows in
      for row in rows {
        var (rest, a, b) = (row, 0, 0)
        for axis in extents.indices.reversed() {
          let index = rest % extents[axis]
          rest /= extents[axis]
          a += index * steps[axis].a
          b += index * steps[axis].b
        }
        body(row, a, b)
      }
    }
  }
}
