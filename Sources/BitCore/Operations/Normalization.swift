/// Normalization of each row of the last axis, as a whole or in equal groups of features.
///
/// With the mean and the variance of a group of features, biased as in PyTorch, and epsilon inside
/// the square root:
///
///     LayerNorm, GroupNorm:  (x - mean) / sqrt(variance + eps) * weight + bias
///     RMSNorm:               x / sqrt(mean(x^2) + eps) * weight
///
/// Sums are added in a fixed order, so the bits are the same on every CPU and for every batch size.
/// (Ba et al., arXiv 1607.06450; Zhang and Sennrich, arXiv 1910.07467; Wu and He, 1803.08494.)
public struct Normalization: Sendable, Hashable {
  /// Whether the mean is subtracted: in LayerNorm and GroupNorm, not in RMSNorm.
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
    return weight.withUnsafePointer { weight in
      bias.withUnsafePointer { bias in
        Tensor.build(x.shape) { out in
          forEachGroup(of: x) { x, start, size, feature, statistics in
            let out = out + start
            statistics.normalize(x, size, out)
            if let factor = weight.map({ $0 + feature }) {
              for i in 0..<size { out[i] *= factor[i] }
            }
            if let offset = bias.map({ $0 + feature }) {
              for i in 0..<size { out[i] += offset[i] }
            }
          }
        }
      }
    }
  }

  /// The gradients of the input (``Tensor/zero`` if not wanted) and, where they exist, of weight
  /// and bias.
  public func reverse(
    _ x: Tensor, weight: Tensor? = nil, bias: Tensor? = nil, upstream: Tensor,
    wantsInput: Bool = true
  ) -> (input: Tensor, weight: Tensor?, bias: Tensor?) {
    reverse(
      x, weight: weight, bias: bias, upstream: upstream, input: wantsInput ? .newTensor : .none)
  }

  /// The same, with a destination for the input's gradient, and perhaps without those of weight and
  /// bias.
  package func reverse(
    _ x: Tensor, weight: Tensor?, bias: Tensor?, upstream: Tensor, input: Tensor.Destination,
    wantsParameters: Bool = true
  ) -> (input: Tensor, weight: Tensor?, bias: Tensor?) {
    check(x, weight, bias)
    precondition(
      upstream.shape == x.shape, "a gradient of shape \(upstream.shape) for \(x.shape)")
    let inputGradient = inputGradient(x, weight, upstream, input)
    guard wantsParameters else { return (inputGradient, nil, nil) }
    let weightGradient = weight.map { _ in (upstream * self(x)).sumOfRows() }
    return (inputGradient, weightGradient, bias.map { _ in upstream.sumOfRows() })
  }

  private func inputGradient(
    _ x: Tensor, _ weight: Tensor?, _ upstream: Tensor, _ destination: Tensor.Destination
  ) -> Tensor {
    // With v the normalized values and g = upstream * weight:
    // dx = (g - mean(g) - v * mean(g v)) / deviation, without mean(g) if not centered.
    guard destination.isWanted else { return .zero }
    let scaled = weight.map { weight in
      upstream.mapRows { row, out in
        weight.withUnsafePointer { weight in
          for i in 0..<x.shape.features { out[i] = row[i] * weight[i] }
        }
      }
    }
    return (scaled ?? upstream).withUnsafePointer { g in
      destination.build(x.shape) { out in
        forEachGroup(of: x) { x, start, size, _, statistics in
          let (g, out) = (g + start, out + start)
          // The normalized values, until the gradient replaces them.
          statistics.normalize(x, size, out)
          let meanSum = isCentered ? RowSum.sum(g, size) / Float(size) : 0
          let meanProduct = RowSum.dot(g, out, size) / Float(size)
          let inverse = statistics.inverseDeviation
          for i in 0..<size { out[i] = (g[i] - meanSum - out[i] * meanProduct) * inverse }
        }
      }
    }
  }

  private struct Statistics {
    let mean: Float
    let inverseDeviation: Float

    func normalize(_ x: UnsafePointer<Float>, _ size: Int, _ out: UnsafeMutablePointer<Float>) {
      let (mean, inverse) = (mean, inverseDeviation)
      for i in 0..<size { out[i] = (x[i] - mean) * inverse }
    }
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

  /// Calls `body` for each group of each row with its values, its offset in the tensor, its size,
  /// its first feature and its statistics.
  private func forEachGroup(
    of x: Tensor, _ body: (UnsafePointer<Float>, Int, Int, Int, Statistics) -> Void
  ) {
    let features = x.shape.features
    let size = features / groups
    let rows = x.shape.rows
    x.withUnsafePointer { x in
      ThreadPool.shared.parallelFor(rows, grain: 1 + 8_192 / (features + 1)) { rows in
        for row in rows {
          for group in 0..<groups {
            let start = row * features + group * size
            body(x + start, start, size, group * size, statistics(x + start, size))
          }
        }
      }
    }
  }

  private func statistics(_ x: UnsafePointer<Float>, _ count: Int) -> Statistics {
    let mean = isCentered ? RowSum.sum(x, count) / Float(count) : 0
    let center = SIMD8<Float>(repeating: mean)
    let square = RowSum.sum(x, count) { ($0 - center) * ($0 - center) } / Float(count)
    return Statistics(mean: mean, inverseDeviation: 1 / (square + epsilon).squareRoot())
  }
}

extension Normalization: CustomStringConvertible {
  /// Kind and epsilon in one line, such as `rms, epsilon 1e-05`.
  public var description: String {
    let kind = !isCentered ? "rms" : groups == 1 ? "layer" : "group(\(groups))"
    return "\(kind), epsilon \(epsilon)"
  }
}
