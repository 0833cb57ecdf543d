import BitCore
import _Differentiation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101), in the order of
/// operations of PyTorch's AdamW:
///
///     p *= 1 - learningRate * weightDecay
///     m += (1 - beta1) * (g - m);   v = beta2 * v + (1 - beta2) * g * g
///     p -= learningRate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
public struct AdamW: Optimizer {
  /// The step size of the next update.
  public var learningRate: Float
  /// The strength of weight decay of the next update.
  public var weightDecay: Float
  /// The decay of the running mean of gradients.
  public var beta1: Float
  /// The decay of the running mean of squared gradients.
  public var beta2: Float
  /// Keeps the quotient finite.
  public var epsilon: Float
  /// The number of updates so far.
  public private(set) var step = 0
  /// The running means of gradients (`.mean`) and of their squares (`.variance`) by parameter.
  public private(set) var state: [String: Tensor] = [:]

  /// An optimizer with no steps taken.
  public init(
    learningRate: Float = 1e-3, beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8,
    weightDecay: Float = 0.01
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  /// The decays of the running means, and epsilon.
  public var settings: String { "AdamW(beta1: \(beta1), beta2: \(beta2), epsilon: \(epsilon))" }

  /// Takes over a saved state.
  public mutating func restore(step: Int, state: [String: Tensor]) {
    self.step = step
    self.state = state
  }

  /// Updates all parameters of `model` along `gradient`, whose values are first multiplied by
  /// `scale`.
  public mutating func update<M: Module>(
    _ model: inout M, along gradient: M.TangentVector, scale: Float
  ) {
    step += 1
    let rule = Rule(self, scale: scale)
    model.updateParameters(along: gradient) { name, value, gradient in
      guard let gradient, !gradient.isZeroElement else { return }
      let count = value.count
      value.withUnsafeMutablePointer { p in
        gradient.withUnsafePointer { g in
          // Taken out of the dictionary and put back: both are written at once, in place.
          var mean = state.removeValue(forKey: "\(name).mean") ?? .zeros(gradient.shape)
          var variance = state.removeValue(forKey: "\(name).variance") ?? .zeros(gradient.shape)
          mean.withUnsafeMutablePointer { m in
            variance.withUnsafeMutablePointer { v in
              ThreadPool.shared.parallelFor(count, grain: Tensor.parallelGrain) { range in
                rule.apply(range, p, g, m, v)
              }
            }
          }
          state["\(name).mean"] = mean
          state["\(name).variance"] = variance
        }
      }
    }
  }

  /// The constants of one step.
  private struct Rule {
    let decay: Float
    let keep1: Float
    let keep2: Float
    let rate: Float
    let inverseRoot: Float
    let epsilon: Float
    let scale: Float

    init(_ adam: AdamW, scale: Float) {
      let correction1 = 1 - pow(Double(adam.beta1), Double(adam.step))
      let correction2 = 1 - pow(Double(adam.beta2), Double(adam.step))
      decay = 1 - adam.learningRate * adam.weightDecay
      keep1 = 1 - adam.beta1
      keep2 = adam.beta2
      rate = Float(Double(adam.learningRate) / correction1)
      inverseRoot = Float(1 / correction2.squareRoot())
      epsilon = adam.epsilon
      self.scale = scale
    }

    func apply(
      _ range: Range<Int>, _ p: UnsafeMutablePointer<Float>, _ g: UnsafePointer<Float>,
      _ m: UnsafeMutablePointer<Float>, _ v: UnsafeMutablePointer<Float>
    ) {
      // Eight at a time by hand: the compiler does not vectorize a square root in a loop.
      typealias Vector = SIMD8<Float>
      var i = range.lowerBound
      while i + 8 <= range.upperBound {
        var (pv, mv, vv) = (Vector(loading: p + i), Vector(loading: m + i), Vector(loading: v + i))
        let gv = Vector(loading: g + i) * scale
        mv += keep1 * (gv - mv)
        vv = keep2 * vv + (1 - keep2) * gv * gv
        pv = pv * decay - rate * mv / (vv.squareRoot() * inverseRoot + epsilon)
        pv.store(to: p + i)
        mv.store(to: m + i)
        vv.store(to: v + i)
        i += 8
      }
      while i < range.upperBound {
        let slope = g[i] * scale
        m[i] += keep1 * (slope - m[i])
        v[i] = keep2 * v[i] + (1 - keep2) * slope * slope
        p[i] = p[i] * decay - rate * m[i] / (v[i].squareRoot() * inverseRoot + epsilon)
        i += 1
      }
    }
  }
}
