/// Normalization of each row of the last axis, in whole or in equal groups of features.
///
/// With the statistics of a group of n features, biased as in PyTorch and with epsilon inside the
/// square root:
///
///     LayerNorm, GroupNorm:  (x - mean) / sqrt(variance + eps) * weight + bias
///     RMSNorm:               x / sqrt(mean(x^2) + eps) * weight
///
/// Sums run in a fixed order, so the bits are the same on every CPU and for every batch.
/// (Ba et al., arXiv 1607.06450; Zhang and Sennrich, arXiv 1910.07467; Wu and He, 1803.08494.)
public struct Normalization: Sendable, Hashable {
  /// Whether the mean is subtracted: true for LayerNorm and GroupNorm, false for RMSNorm.
  public let isCentered: Bool
  /// The number of equal groups of features; 1 for LayerNorm and RMSNorm.
  public let groups: Int
  /// The number added to the variance or the mean square.
  public let epsilon: Float

  private init(isCentered: Bool, groups: Int, epsilon: Float) {
    precondition(groups > 0, "a normalization has at least one group, not \(groups)")
    precondition(epsilon >= 0 && epsilon.isFinite, "epsilon must be finite and not negative")
    self.isCentered = isCentered
    self.groups = groups
    self.epsilon = epsilon
  }

  /// LayerNorm over the last axis.
  public static func layer(epsilon: Float = 1e-5) -> Normalization {
    Normalization(isCentered: true, groups: 1, epsilon: epsilon)
  }

  /// RMSNorm over the last axis.
  public static func rms(epsilon: Float = 1e-5) -> Normalization {
    Normalization(isCentered: false, groups: 1, epsilon: epsilon)
  }

  /// GroupNorm: the last axis in `groups` equal parts, each with its own mean and variance.
  public static func group(_ groups: Int, epsilon: Float = 1e-5) -> Normalization {
    Normalization(isCentered: true, groups: groups, epsilon: epsilon)
  }

  /// Normalizes a tensor.
  ///
  /// - Parameters:
  ///   - x: `[..., features]`, features a multiple of ``groups``.
  ///   - weight: `[features]` or nil for ones.
  ///   - bias: `[features]` or nil for zeros.
  /// - Returns: a tensor of the shape of `x`.
  public func callAsFunction(_ x: Tensor, weight: Tensor? = nil, bias: Tensor? = nil) -> Tensor {
    check(x, weight, bias)
    return Tensor.build(x.shape) { out in
      forEachGroup(of: x) { start, size, feature, statistics in
        for i in 0..<size {
          var value = (x.pointer[start + i] - statistics.mean) * statistics.inverseDeviation
          if let weight { value *= weight.pointer[feature + i] }
          if let bias { value += bias.pointer[feature + i] }
          out[start + i] = value
        }
      }
      withExtendedLifetime((x, weight, bias)) {}
    }
  }

  /// The gradients of the input and, where they exist, of weight and bias.
  public func reverse(
    _ x: Tensor, weight: Tensor? = nil, bias: Tensor? = nil, upstream: Tensor
  ) -> (input: Tensor, weight: Tensor?, bias: Tensor?) {
    check(x, weight, bias)
    precondition(
      upstream.shape == x.shape, "a gradient of shape \(upstream.shape) for \(x.shape)")
    let dy = upstream
    var weightTerms = weight == nil ? nil : Tensor(uninitialized: x.shape)
    let terms = weightTerms?.withUnsafeMutablePointer { $0 }
    let input = Tensor.build(x.shape) { out in
      forEachGroup(of: x) { start, size, feature, statistics in
        // With v the normalized values and g = dy * weight:
        // dx = (g - mean(g) - v * mean(g v)) / deviation, without mean(g) if not centred.
        let scaled = out + start
        var sum: Float = 0
        var product: Float = 0
        for i in 0..<size {
          let normalized = (x.pointer[start + i] - statistics.mean) * statistics.inverseDeviation
          terms?[start + i] = dy.pointer[start + i] * normalized
          scaled[i] = dy.pointer[start + i] * (weight?.pointer[feature + i] ?? 1)
          sum += scaled[i]
          product += scaled[i] * normalized
        }
        let meanSum = isCentered ? sum / Float(size) : 0
        let meanProduct = product / Float(size)
        for i in 0..<size {
          let normalized = (x.pointer[start + i] - statistics.mean) * statistics.inverseDeviation
          out[start + i] =
            (scaled[i] - meanSum - normalized * meanProduct) * statistics.inverseDeviation
        }
      }
      withExtendedLifetime((x, weight, dy)) {}
    }
    return (input, weightTerms?.sumOfRows(), bias == nil ? nil : dy.sumOfRows())
  }

  private struct Statistics {
    let mean: Float
    let inverseDeviation: Float
  }

  private func check(_ x: Tensor, _ weight: Tensor?, _ bias: Tensor?) {
    let features = x.shape.features
    precondition(
      features % groups == 0, "\(groups) groups do not divide the last axis of \(x.shape)")
    for vector in [weight, bias].compactMap(\.self) {
      precondition(
        vector.shape == [features], "a vector of shape \(vector.shape) does not fit \(x.shape)")
    }
  }

  /// Calls `body` for each group of each row: where it starts, its size, its first feature.
  private func forEachGroup(of x: Tensor, _ body: (Int, Int, Int, Statistics) -> Void) {
    let features = x.shape.features
    let size = features / groups
    ThreadPool.shared.parallelFor(x.shape.rows, grain: 1 + 8_192 / (features + 1)) { rows in
      for row in rows {
        for group in 0..<groups {
          let start = row * features + group * size
          body(start, size, group * size, statistics(x.pointer + start, size))
        }
      }
    }
  }

  private func statistics(_ x: UnsafePointer<Float>, _ count: Int) -> Statistics {
    let mean = isCentered ? Self.sum(x, count) { $0 } / Float(count) : 0
    let center = SIMD8<Float>(repeating: mean)
    let square = Self.sum(x, count) { ($0 - center) * ($0 - center) } / Float(count)
    return Statistics(mean: mean, inverseDeviation: 1 / (square + epsilon).squareRoot())
  }

  /// The sum of `term` over a row: two times eight running sums, then a fixed tree.
  @inline(__always)
  private static func sum(
    _ x: UnsafePointer<Float>, _ count: Int, _ term: (SIMD8<Float>) -> SIMD8<Float>
  ) -> Float {
    var even = SIMD8<Float>.zero
    var odd = SIMD8<Float>.zero
    let raw = UnsafeRawPointer(x)
    var i = 0
    while i + 16 <= count {
      even += term(raw.loadUnaligned(fromByteOffset: 4 * i, as: SIMD8<Float>.self))
      odd += term(raw.loadUnaligned(fromByteOffset: 4 * (i + 8), as: SIMD8<Float>.self))
      i += 16
    }
    let lanes = even + odd
    let four = lanes.lowHalf + lanes.highHalf
    var total = (four[0] + four[2]) + (four[1] + four[3])
    while i < count {
      total += term(SIMD8(repeating: x[i]))[0]
      i += 1
    }
    return total
  }
}
