extension Tensor {
  /// The sums over some axes.
  ///
  /// The order of additions is fixed by the shape: results do not depend on the number of threads.
  ///
  /// - Parameters:
  ///   - axes: the axes to sum over; negative numbers count from the end.
  ///   - keepsDimensions: whether these axes stay, with an extent of 1.
  public func sum(axes: [Int], keepsDimensions: Bool = false) -> Tensor {
    let summed = Set(shape.axes(axes))
    var result = self
    // One run of neighbouring axes after the other, the last run first.
    var end = shape.rank
    var inner = 1
    while end > 0 {
      var start = end
      while start > 0, summed.contains(start - 1) { start -= 1 }
      if start < end {
        let outer = shape.extents[..<start].reduce(1, *)
        let count = shape.extents[start..<end].reduce(1, *)
        result = result.sumOfMiddle(outer: outer, count: count, inner: inner)
        end = start
      } else {
        end -= 1
        inner *= shape[end]
      }
    }
    let extents = shape.indices.compactMap { axis in
      summed.contains(axis) ? (keepsDimensions ? 1 : nil) : shape[axis]
    }
    return result.reshaped(Shape(extents))
  }

  /// The means over some axes, as ``sum(axes:keepsDimensions:)`` adds them; NaN over an empty axis.
  ///
  /// - Parameters:
  ///   - axes: the axes to average over; negative numbers count from the end.
  ///   - keepsDimensions: whether these axes stay, with an extent of 1.
  public func mean(axes: [Int], keepsDimensions: Bool = false) -> Tensor {
    sum(axes: axes, keepsDimensions: keepsDimensions) / Float(shape.extent(of: axes))
  }

  /// The gradient of a tensor of `shape` from this one of its sum over `axes`, whether or not the sum
  /// kept them.
  package func sumReverse(of shape: Shape, axes: [Int]) -> Tensor {
    let kept = shape.axes(axes).reduce(shape) { $0.replacing(axis: $1, with: 1) }
    return reshaped(kept).broadcast(to: shape)
  }

  /// The sum over all axes but the last, `[features]`, in the order of the rows.
  public func sumOfRows() -> Tensor {
    sumOfMiddle(outer: 1, count: shape.rows, inner: shape.features)
  }

  /// The sum over the middle axis of these values as `[outer, count, inner]`, a vector.
  private func sumOfMiddle(outer: Int, count: Int, inner: Int) -> Tensor {
    inner == 1 ? sumOfRowValues(rows: outer, length: count) : sumOfColumns(outer, count, inner)
  }

  /// The sums of rows: pieces as ``RowSum`` adds them, then their sums in Double, in order.
  private func sumOfRowValues(rows: Int, length: Int) -> Tensor {
    let pieces = (length + RowSum.pieceLength - 1) / RowSum.pieceLength
    var sums = [Float](repeating: 0, count: rows * pieces)
    sums.withUnsafeMutableBufferPointer { sums in
      withUnsafePointer { x in
        let grain = 1 + Self.parallelGrain / (1 + min(length, RowSum.pieceLength))
        nonisolated(unsafe) let sums = sums
        ThreadPool.shared.parallelFor(sums.count, grain: grain) { range in
          for index in range {
            let (row, start) = (index / pieces, index % pieces * RowSum.pieceLength)
            sums[index] = RowSum.sum(
              x + row * length + start, min(RowSum.pieceLength, length - start))
          }
        }
      }
    }
    if pieces == 1 { return Tensor(sums) }
    return Tensor(
      (0..<rows).map { row in
        Float(sums[row * pieces..<(row + 1) * pieces].reduce(0.0) { $0 + Double($1) })
      })
  }

  /// The sums over the middle axis for at least two columns, each in the order of the axis.
  private func sumOfColumns(_ outer: Int, _ count: Int, _ inner: Int) -> Tensor {
    // Four cache lines of each row.
    let width = 64
    let blocks = (inner + width - 1) / width
    return Tensor.build([outer * inner]) { out in
      withUnsafePointer { x in
        ThreadPool.shared.parallelFor(
          outer * blocks, grain: 1 + Self.parallelGrain / (width * (count + 1))
        ) { range in
          for index in range {
            let (group, first) = (index / blocks, index % blocks * width)
            Self.addRows(
              x + group * count * inner + first, count: count, stride: inner,
              columns: min(width, inner - first), out + group * inner + first)
          }
        }
      }
    }
  }

  /// The sum of `count` rows of up to 64 values, `stride` apart.
  private static func addRows(
    _ x: UnsafePointer<Float>, count: Int, stride: Int, columns: Int,
    _ out: UnsafeMutablePointer<Float>
  ) {
    out.update(repeating: 0, count: columns)
    var column = 0
    while column + 32 <= columns {
      let x = x + column
      var sums = (SIMD8<Float>.zero, SIMD8<Float>.zero, SIMD8<Float>.zero, SIMD8<Float>.zero)
      for row in 0..<count {
        let x = x + row * stride
        sums.0 += SIMD8(loading: x)
        sums.1 += SIMD8(loading: x + 8)
        sums.2 += SIMD8(loading: x + 16)
        sums.3 += SIMD8(loading: x + 24)
      }
      sums.0.store(to: out + column)
      sums.1.store(to: out + column + 8)
      sums.2.store(to: out + column + 16)
      sums.3.store(to: out + column + 24)
      column += 32
    }
    for row in 0..<count {
      for i in column..<columns { out[i] += x[row * stride + i] }
    }
  }
}

extension Shape {
  /// The number of values along some axes together.
  package func extent(of axes: [Int]) -> Int {
    self.axes(axes).reduce(1) { $0 * extents[$1] }
  }
}
