extension Tensor {
  /// A tensor of this shape whose rows `body` writes, given the rows of this one.
  func mapRows(
    _ body: (UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
  ) -> Tensor {
    let features = shape.features
    return Tensor.build(shape) { out in
      withUnsafePointer { x in
        ThreadPool.shared.parallelFor(
          shape.rows, grain: 1 + Self.parallelGrain / (features + 1)
        ) { rows in
          for row in rows { body(x + row * features, out + row * features) }
        }
      }
    }
  }

  /// Adds a vector `[features]` to every row.
  public mutating func addToRows(_ vector: Tensor) {
    let shape = shape
    withUnsafeMutablePointer { vector.add(toRowsOf: $0, shape) }
  }

  /// Adds this vector to every row of a tensor in memory.
  func add(toRowsOf values: UnsafeMutablePointer<Float>, _ shape: Shape) {
    let features = shape.features
    precondition(
      self.shape == [features], "a vector of shape \(self.shape) does not fit rows of \(shape)")
    withUnsafePointer { vector in
      ThreadPool.shared.parallelFor(
        shape.rows, grain: 1 + Self.parallelGrain / (features + 1)
      ) { rows in
        for row in rows {
          let values = values + row * features
          Self.combine(values, vector, features, values) { $0 + $1 }
        }
      }
    }
  }
}
