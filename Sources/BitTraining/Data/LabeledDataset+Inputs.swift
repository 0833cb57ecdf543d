import BitCore

extension LabeledDataset {
  /// The samples at `indices`, in that order, as the input of a network.
  ///
  /// - Parameters:
  ///   - indices: numbers of samples, each in 0..<``count``.
  ///   - standardization: maps every value v to `(v - mean) / deviation`.
  /// - Returns: float32 values of shape `[indices.count, featureCount]`.
  public func inputs(_ indices: some Collection<Int>, standardization: Standardization) -> Tensor {
    check(indices)
    let features = featureCount
    let rows = Array(indices)
    return Tensor.build([rows.count, features]) { output in
      switch samples {
      case .bytes(let values):
        // 256 divisions instead of one per value, with the same results.
        let table = (0..<256).map { standardization(Float($0)) }
        values.withUnsafeBufferPointer { values in
          table.withUnsafeBufferPointer { table in
            ThreadPool.shared.parallelFor(rows.count, grain: 1 + 32_768 / features) { range in
              for row in range {
                let index = rows[row]
                let source = values[(index * features)..<((index + 1) * features)]
                apply(table, to: UnsafeBufferPointer(rebasing: source), output + row * features)
              }
            }
          }
        }
      case .floats(let values):
        values.withUnsafeBufferPointer { values in
          for (row, index) in rows.enumerated() {
            let target = output + row * features
            for i in 0..<features { target[i] = standardization(values[index * features + i]) }
          }
        }
      }
    }
  }

  /// The raw values of one sample if they are bytes, as the pixels of a picture are; else nil.
  public func bytes(_ index: Int) -> [UInt8]? {
    check(CollectionOfOne(index))
    guard case .bytes(let values) = samples else { return nil }
    return Array(values[(index * featureCount)..<((index + 1) * featureCount)])
  }

  /// The labels of the samples at `indices`, in that order.
  public func labels(_ indices: some Collection<Int>) -> [Int32] {
    check(indices)
    return indices.map { labels[$0] }
  }

  /// The mean and the standard deviation over all values of all samples, the latter with the
  /// number of values as its divisor, and 1 if all values are equal.
  ///
  /// Bytes are summed exactly, floats in Double.
  public func standardization() -> Standardization {
    let (mean, variance) =
      switch samples {
      case .bytes(let values): moments(values)
      case .floats(let values): moments(values)
      }
    let deviation = Float(variance.squareRoot())
    return Standardization(mean: Float(mean), deviation: deviation > 0 ? deviation : 1)
  }
}

/// Writes `table[byte]` for every byte of `source`.
private func apply(
  _ table: UnsafeBufferPointer<Float>, to source: UnsafeBufferPointer<UInt8>,
  _ target: UnsafeMutablePointer<Float>
) {
  guard let table = table.baseAddress, let bytes = source.baseAddress else { return }
  for i in 0..<source.count { target[i] = table[Int(bytes[i])] }
}

/// Mean and variance from the exact sums: (n * sum of squares - square of sum) / n^2.
private func moments(_ values: [UInt8]) -> (mean: Double, variance: Double) {
  var sum: UInt64 = 0
  var squares: UInt64 = 0
  values.withUnsafeBufferPointer { values in
    for value in values {
      // No file is large enough to overflow 64 bits: that takes 2^48 bytes.
      sum &+= UInt64(value)
      squares &+= UInt64(UInt32(value) &* UInt32(value))
    }
  }
  let count = UInt128(values.count)
  let numerator = count * UInt128(squares) - UInt128(sum) * UInt128(sum)
  return (Double(sum) / Double(count), Double(numerator) / Double(count * count))
}

/// Mean and variance in two passes, so that a large mean does not cancel the variance.
private func moments(_ values: [Float]) -> (mean: Double, variance: Double) {
  // Rounding of the mean would otherwise leave equal values a tiny variance.
  if let first = values.first, values.allSatisfy({ $0 == first }) { return (Double(first), 0) }
  let mean = values.reduce(0.0) { $0 + Double($1) } / Double(values.count)
  let squares = values.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
  return (mean, squares / Double(values.count))
}
