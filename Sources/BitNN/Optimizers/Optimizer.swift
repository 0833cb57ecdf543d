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
