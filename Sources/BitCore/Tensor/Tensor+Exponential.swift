extension Tensor {
  /// The exponential of every value, with the same bits on every CPU.
  public func exp() -> Tensor {
    let row = ExponentialRow()
    return mapPieces { x, range, out in row.exponentials(x, range.count, shift: 0, out) }
  }

  /// The natural logarithm of every value: -infinity for 0, NaN for negative values.
  public func log() -> Tensor {
    map { SystemMath.log($0) }
  }

  /// A tensor whose values `body` writes, given some values of this one, their indices, and where
  /// the results go.
  func mapPieces(
    _ body: (UnsafePointer<Float>, Range<Int>, UnsafeMutablePointer<Float>) -> Void
  ) -> Tensor {
    Tensor.build(shape) { out in
      withUnsafePointer { x in
        ThreadPool.shared.parallelFor(count, grain: Self.parallelGrain) { range in
          for start in stride(from: range.lowerBound, to: range.upperBound, by: RowSum.pieceLength)
          {
            let end = min(start + RowSum.pieceLength, range.upperBound)
            body(x + start, start..<end, out + start)
          }
        }
      }
    }
  }
}
