import BitCore
import _Differentiation

/// A rule that changes parameters along their gradients.
///
/// An optimizer keeps its state by the parameters' names, so a parameter may come or go between
/// steps. Parameters without a gradient are left alone.
public protocol Optimizer: Sendable {
  /// The step size of the next update.
  var learningRate: Float { get set }
  /// The strength of weight decay of the next update.
  var weightDecay: Float { get set }
  /// What the rule remembers of earlier updates, to be saved with a checkpoint.
  var memory: OptimizerMemory { get set }

  /// The rule with all its settings but rate and decay, which schedules set: a training run goes
  /// on from a checkpoint only with the same ones. By default the name of the type.
  var settings: String { get }

  /// Updates all parameters of `model` along `gradient`, whose values are first multiplied by
  /// `scale` (see ``GradientClipping``).
  mutating func update<M: Module>(
    _ model: inout M, along gradient: M.TangentVector, scale: Float)
}

extension Optimizer {
  /// The name of the type.
  public var settings: String { String(describing: Self.self) }

  /// Updates all parameters of `model` along `gradient`.
  public mutating func update<M: Module>(_ model: inout M, along gradient: M.TangentVector) {
    update(&model, along: gradient, scale: 1)
  }
}

/// What an optimizer remembers of earlier updates.
public struct OptimizerMemory: Sendable {
  /// The number of updates so far.
  public var step = 0
  /// Tensors by name: that of a parameter, a dot, and a word of the optimizer's.
  public var tensors: [String: Tensor] = [:]

  /// The memory of an optimizer with no steps taken.
  public init() {}

  /// A saved memory.
  public init(step: Int, tensors: [String: Tensor]) {
    self.step = step
    self.tensors = tensors
  }
}

/// Keeps gradients from growing beyond a norm.
public enum GradientClipping {
  /// The Euclidean norm over the gradients of all parameters, summed in Double.
  public static func norm<M: Module>(of gradient: M.TangentVector, for model: M) -> Float {
    var sum = 0.0
    model.forEachGradient(gradient) { _, gradient in
      gradient.withUnsafePointer { values in
        for i in 0..<gradient.count { sum += Double(values[i]) * Double(values[i]) }
      }
    }
    return Float(sum.squareRoot())
  }

  /// The factor that brings gradients of the given norm down to `maximum`, at most 1:
  /// min(1, maximum / (norm + 1e-6)), as in PyTorch.
  public static func scale(norm: Float, maximum: Float) -> Float {
    min(1, maximum / (norm + 1e-6))
  }
}
