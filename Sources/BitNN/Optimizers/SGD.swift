import BitCore
import _Differentiation

/// Stochastic gradient descent with momentum, as in PyTorch:
///
///     g += weightDecay * p;   v = momentum * v + g  (v = g at first);
///     p -= learningRate * v   (with Nesterov's rule: g + momentum * v)
public struct SGD: Optimizer {
  /// The step size of the next update.
  public var learningRate: Float
  /// The strength of weight decay of the next update.
  public var weightDecay: Float
  /// The share of the previous direction that is kept.
  public var momentum: Float
  /// Whether to look ahead along the new direction.
  public var usesNesterov: Bool
  /// The number of steps, and the directions (`.momentum`).
  public var memory = OptimizerMemory()

  /// An optimizer with no steps taken.
  public init(
    learningRate: Float, momentum: Float = 0, weightDecay: Float = 0, usesNesterov: Bool = false
  ) {
    self.learningRate = learningRate
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.usesNesterov = usesNesterov
  }

  /// Momentum and whether it is Nesterov's.
  public var settings: String { "SGD(momentum: \(momentum), usesNesterov: \(usesNesterov))" }

  /// Updates all parameters of `model`; see ``Optimizer/update(_:gradients:scale:)``.
  public mutating func update<M: Module>(_ model: inout M, gradients: [Tensor], scale: Float) {
    memory.step += 1
    model.updateParametersInOrder { index, name, value in
      let gradient = gradients[index]
      guard !gradient.isZeroElement else { return }
      let count = value.count
      value.withUnsafeMutablePointer { p in
        gradient.withUnsafePointer { g in
          guard momentum != 0 else {
            for i in 0..<count { p[i] -= learningRate * (g[i] * scale + weightDecay * p[i]) }
            return
          }
          memory.tensors["\(name).momentum", default: .zeros(gradient.shape)]
            .withUnsafeMutablePointer { v in
              for i in 0..<count {
                let slope = g[i] * scale + weightDecay * p[i]
                v[i] = momentum * v[i] + slope
                p[i] -= learningRate * (usesNesterov ? slope + momentum * v[i] : v[i])
              }
            }
        }
      }
    }
  }
}
