extension Tensor {
  /// The exponential of every value, with the same bits on every CPU.
  public func exp() -> Tensor {
    mapPieces { ExponentialRow().exponentials($0, $1, shift: 0, $2) }
  }

  /// The natural logarithm of every value: -infinity for 0, NaN for negative values.
  public func log() -> Tensor {
    map { SystemMath.log($0) }
  }

  /// A tensor whose values `body` writes, given some values of this one and their number.
  func mapPieces(
    _ body: (UnsafePointer<Float>, Int, UnsafeMutablePointer<Float>) -> Void
  ) -> Tensor {
    Tensor.build(shape) { out in
      withUnsafePointer { x in
        ThreadPool.shared.parallelFor(count, grain: Self.parallelGrain) { range in
          for start in stride(from: range.lowerBound, to: range.upperBound, by: RowSum.pieceLength)
          {
            body(x + start, min(RowSum.pieceLength, range.upperBound - start), out + start)
          }
        }
      }
    }
  }
}
