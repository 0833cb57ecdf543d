/// Looking up rows of a table by index, and the gradient of the table.
public enum EmbeddingLookup {
  /// The rows of `table` at `indices`.
  ///
  /// - Parameters:
  ///   - table: `[vocabulary, features]`.
  ///   - indices: numbers in 0..<vocabulary.
  /// - Returns: `[indices.count, features]`.
  public static func forward(_ table: Tensor, indices: [Int32]) -> Tensor {
    let features = check(table, indices)
    return Tensor.build([indices.count, features]) { out in
      table.withUnsafePointer { table in
        for (row, index) in indices.enumerated() {
          (out + row * features).update(from: table + Int(index) * features, count: features)
        }
      }
    }
  }

  /// The gradient of the table: each of its rows is the sum of the `upstream` rows that looked it up.
  public static func reverse(_ table: Tensor, indices: [Int32], upstream: Tensor) -> Tensor {
    let features = check(table, indices)
    precondition(
      upstream.shape.rows == indices.count && upstream.shape.features == features,
      "a gradient of shape \(upstream.shape) for [\(indices.count), \(features)]")
    var gradient = Tensor.zeros(table.shape)
    gradient.withUnsafeMutablePointer { gradient in
      upstream.withUnsafePointer { upstream in
        for (row, index) in indices.enumerated() {
          let target = gradient + Int(index) * features
          for i in 0..<features { target[i] += upstream[row * features + i] }
        }
      }
    }
    return gradient
  }

  private static func check(_ table: Tensor, _ indices: [Int32]) -> Int {
    precondition(table.shape.rank == 2, "a table is [vocabulary, features], not \(table.shape)")
    precondition(
      indices.allSatisfy { $0 >= 0 && $0 < table.shape[0] },
      "an index is outside 0..<\(table.shape[0])")
    return table.shape[1]
  }
}
