extension Tensor {
  /// A tensor whose values are `body` of those of two tensors that broadcast to one shape, applied
  /// to eight at once.
  func broadcastVectors(
    with other: Tensor, _ body: (SIMD8<Float>, SIMD8<Float>) -> SIMD8<Float>
  ) -> Tensor {
    if shape == other.shape { return combinedVectors(with: other, body) }
    let result = shape.broadcast(with: other.shape)
    precondition(
      result != nil, "tensors of shapes \(shape) and \(other.shape) do not fit together")
    guard let result, result.scalarCount > 0 else { return .zeros(result ?? []) }
    let walk = AxisWalk(
      result, a: shape.steps(broadcastTo: result), b: other.shape.steps(broadcastTo: result))
    let (length, steps) = (walk.length, walk.rowSteps)
    return Tensor.build(result) { out in
      withUnsafePointer { x in
        other.withUnsafePointer { y in
          walk.forEachRow { row, a, b in
            let (out, x, y) = (out + row * length, x + a, y + b)
            // The last axis of a row is contiguous or one value.
            switch (steps.a, steps.b) {
            case (0, _):
              let x = SIMD8(repeating: x[0])
              Self.map(y, length, out) { body(x, $0) }
            case (_, 0):
              let y = SIMD8(repeating: y[0])
              Self.map(x, length, out) { body($0, y) }
            default:
              Self.combine(x, y, length, out, body)
            }
          }
        }
      }
    }
  }

  /// The values repeated along new axes and along axes of extent 1, by NumPy's broadcasting rules.
  ///
  /// - Parameter shape: a shape that this tensor's broadcasts to.
  public func broadcast(to shape: Shape) -> Tensor {
    if shape == self.shape { return self }
    precondition(
      self.shape.broadcast(with: shape) == shape,
      "a tensor of shape \(self.shape) does not broadcast to \(shape)")
    guard shape.scalarCount > 0 else { return .zeros(shape) }
    let steps = self.shape.steps(broadcastTo: shape)
    let walk = AxisWalk(shape, a: steps, b: steps)
    return Tensor.build(shape) { out in
      withUnsafePointer { x in
        walk.forEachRow { row, start, _ in
          let out = out + row * walk.length
          if walk.rowSteps.a == 0 {
            out.update(repeating: x[start], count: walk.length)
          } else {
            out.update(from: x + start, count: walk.length)
          }
        }
      }
    }
  }

  /// The reverse of ``broadcast(to:)``: the sum over the axes along which a tensor of `shape` is
  /// repeated in this one.
  package func summed(to shape: Shape) -> Tensor {
    if shape == self.shape { return self }
    let missing = self.shape.rank - shape.rank
    let axes = self.shape.indices.filter {
      $0 < missing || shape[$0 - missing] == 1 && self.shape[$0] != 1
    }
    return sum(axes: axes).reshaped(shape)
  }
}
