/// The largest outputs of a matrix, as ``OutputScreen`` finds them.
package struct LargestOutputs: Sendable {
  /// One output.
  package struct Output: Sendable, Hashable {
    /// The row of the matrix.
    package let row: Int
    /// What ``WeightMatrix/matmul(_:bias:output:kernels:pool:)`` gives for it, bit for bit.
    package let value: Float
  }

  /// The outputs, the largest first; of equal ones the lower row first. None is NaN.
  package let outputs: [Output]
  /// How many rows were multiplied exactly.
  package let rescoredRows: Int
  /// Whether any output of the matrix is NaN.
  package let containsNaN: Bool

  /// The `limit` largest ones of the given outputs that are at most `delta` below the maximum.
  init(
    _ values: UnsafeBufferPointer<Float>, rows: (Int) -> Int, limit: Int, within delta: Float
  ) {
    rescoredRows = values.count
    var largest = -Float.infinity
    var containsNaN = false
    for value in values {
      if value.isNaN { containsNaN = true }
      if value > largest { largest = value }
    }
    self.containsNaN = containsNaN
    let floor = delta < .infinity ? largest - delta : -.infinity
    var kept = BoundedHeap(limit: limit)
    for value in values where value >= floor { kept.insert(Double(value)) }
    let least = kept.isFull ? Float(kept.least) : -.infinity
    var outputs: [Output] = []
    for (index, value) in values.enumerated() where value >= floor && value >= least {
      outputs.append(Output(row: rows(index), value: value))
    }
    outputs.sort { $0.value != $1.value ? $0.value > $1.value : $0.row < $1.row }
    self.outputs = Array(outputs.prefix(limit))
  }
}
