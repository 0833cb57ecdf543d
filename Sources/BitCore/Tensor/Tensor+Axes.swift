extension Tensor {
  /// The tensor with its axes in another order, as `permute` of PyTorch: axis `i` of the result is
  /// axis `axes[i]` of this tensor. Without arguments, the axes in reverse.
  ///
  /// - Parameter axes: each axis once; negative numbers count from the end.
  public func transposed(_ axes: Int...) -> Tensor { transposed(axes: axes) }

  /// As ``transposed(_:)``, with the axes in an array.
  public func transposed(axes: [Int]) -> Tensor {
    let order = axes.isEmpty ? shape.indices.reversed() : shape.axes(axes)
    precondition(
      order.count == shape.rank, "\(axes) are not all axes of a tensor of shape \(shape)")
    let result = Shape(order.map { shape[$0] })
    guard result.scalarCount > 0 else { return .zeros(result) }
    let steps = order.map { shape.steps[$0] }
    // Where no two axes of extents other than 1 change places, values stay where they are.
    let moving = order.filter { shape[$0] != 1 }
    if moving == moving.sorted() { return reshaped(result) }
    return Tensor.build(result) { out in
      withUnsafePointer { x in
        if moving.last == shape.indices.last(where: { shape[$0] != 1 }) {
          Self.copyRows(x, AxisWalk(result, a: steps, b: steps), out)
        } else {
          Self.copyTiles(x, result, steps, out)
        }
      }
    }
  }

  /// The tensor with two axes exchanged; negative numbers count from the end.
  public func swappedAxes(_ first: Int, _ second: Int) -> Tensor {
    var order = Array(shape.indices)
    order.swapAt(shape.axis(first), shape.axis(second))
    return transposed(axes: order)
  }

  /// The order of axes that undoes ``transposed(axes:)``.
  package func inverseOrder(ofAxes axes: [Int]) -> [Int] {
    guard !axes.isEmpty else { return [] }
    var inverse = Array(shape.indices)
    for (place, axis) in shape.axes(axes).enumerated() { inverse[axis] = place }
    return inverse
  }

  /// Copies rows that are contiguous on both sides.
  private static func copyRows(
    _ x: UnsafePointer<Float>, _ walk: AxisWalk, _ out: UnsafeMutablePointer<Float>
  ) {
    walk.forEachRow { row, start, _ in
      (out + row * walk.length).update(from: x + start, count: walk.length)
    }
  }

  /// Copies where the last axis of the source is another one in the result: squares of values, so
  /// that cache lines of both sides are used while they are at hand.
  private static func copyTiles(
    _ x: UnsafePointer<Float>, _ shape: Shape, _ steps: [Int], _ out: UnsafeMutablePointer<Float>
  ) {
    let tile = 16
    // The axis of the result along which the source is contiguous, and the last one.
    guard let narrow = shape.indices.last(where: { steps[$0] == 1 && shape[$0] != 1 }),
      let last = shape.indices.last(where: { shape[$0] != 1 })
    else { return }
    let (height, width) = (shape[narrow], shape[last])
    let outSteps = shape.steps
    // The other axes, and strips of the contiguous one.
    let others = shape.replacing(axis: narrow, with: (height + tile - 1) / tile)
      .replacing(axis: last, with: 1)
    var (inSteps, targetSteps) = (steps, outSteps)
    inSteps[narrow] *= tile
    targetSteps[narrow] *= tile
    let strips = others.scalarCount
    ThreadPool.shared.parallelFor(strips, grain: 1 + parallelGrain / (tile * width)) { range in
      for index in range {
        var (rest, source, target, row) = (index, 0, 0, 0)
        for axis in others.indices.reversed() {
          let place = rest % others[axis]
          rest /= others[axis]
          source += place * inSteps[axis]
          target += place * targetSteps[axis]
          if axis == narrow { row = place * tile }
        }
        let rows = min(tile, height - row)
        for first in stride(from: 0, to: width, by: tile) {
          for i in 0..<rows {
            let to = out + target + i * outSteps[narrow]
            for j in first..<min(first + tile, width) {
              to[j] = x[source + i + j * steps[last]]
            }
          }
        }
      }
    }
  }
}
