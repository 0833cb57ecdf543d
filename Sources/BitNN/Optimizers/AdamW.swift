import BitCore
import _Differentiation

/// Adam with decoupled weight decay, as in PyTorch; see `AdamWStep` for the formulas.
public struct AdamW: Optimizer {
  /// The step size of the next update.
  public var learningRate: Float
  /// The strength of weight decay of the next update.
  public var weightDecay: Float
  /// The decay of the running mean of gradients.
  public var beta1: Float
  /// The decay of the running mean of squared gradients.
  public var beta2: Float
  /// What is added to the divisor, so that the quotient stays finite.
  public var epsilon: Float
  /// Whether vectors, which are biases and the weights of norms, decay too; matrices always do.
  public var decaysVectors: Bool
  /// The number of steps, and the running means of gradients (`.mean`) and of their squares
  /// (`.variance`).
  public var memory = OptimizerMemory()

  /// An optimizer with no steps taken; decay is of all parameters unless `decaysVectors` is false.
  public init(
    learningRate: Float = 1e-3, beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8,
    weightDecay: Float = 0.01, decaysVectors: Bool = true
  ) {
    self.learningRate = learningRate
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    self.decaysVectors = decaysVectors
  }

  /// The decays of the running means, epsilon, and what is not decayed.
  public var settings: String {
    "AdamW(beta1: \(beta1), beta2: \(beta2), epsilon: \(epsilon)"
      + (decaysVectors ? ")" : ", decaysVectors: false)")
  }

  /// Updates all parameters of `model`; see ``Optimizer/update(_:gradients:scale:)``.
  public mutating func update<M: Module>(_ model: inout M, gradients: [Tensor], scale: Float) {
    memory.step += 1
    let rule = rule(weightDecay: weightDecay, scale: scale)
    let ruleOfVectors = decaysVectors ? rule : self.rule(weightDecay: 0, scale: scale)
    model.updateParametersInOrder { index, name, value in
      let gradient = gradients[index]
      guard !gradient.isZeroElement else { return }
      // Removed from the dictionary while they are changed, so that they are not copied.
      var mean = memory.tensors.removeValue(forKey: "\(name).mean") ?? .zeros(gradient.shape)
      var variance =
        memory.tensors.removeValue(forKey: "\(name).variance") ?? .zeros(gradient.shape)
      let rule = gradient.shape.rank < 2 ? ruleOfVectors : rule
      rule.update(&value, gradient: gradient, mean: &mean, variance: &variance)
      memory.tensors["\(name).mean"] = mean
      memory.tensors["\(name).variance"] = variance
    }
  }

  private func rule(weightDecay: Float, scale: Float) -> AdamWStep {
    AdamWStep(
      step: memory.step, learningRate: learningRate, beta1: beta1, beta2: beta2, epsilon: epsilon,
      weightDecay: weightDecay, scale: scale)
  }
}
