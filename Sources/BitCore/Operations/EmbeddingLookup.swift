/// Looking up rows of a table by index, and the gradient of the table.
public enum EmbeddingLookup {
  /// The rows of `table` at `indices`.
  ///
  /// - Parameters:
  ///   - table: `[vocabulary, features]`.
  ///   - indices: numbers in 0..<vocabulary.
  /// - Returns: `[indices.count, features]`.
  public static func forward(_ table: Tensor, indices: [Int32]) -> Tensor {
    check(table)
    return table.gathered(indices, axis: 0)
  }

  /// The gradient of the table: each of its rows is the sum of the `upstream` rows that looked it up.
  public static func reverse(_ table: Tensor, indices: [Int32], upstream: Tensor) -> Tensor {
    check(table)
    let shape: Shape = [indices.count, table.shape[1]]
    precondition(
      upstream.shape.rows == shape.rows && upstream.shape.features == shape.features,
      "a gradient of shape \(upstream.shape) for \(shape)")
    return upstream.reshaped(shape).gatheredReverse(of: table.shape, indices, axis: 0)
  }

  private static func check(_ table: Tensor) {
    precondition(table.shape.rank == 2, "a table is [vocabulary, features], not \(table.shape)")
  }
}
