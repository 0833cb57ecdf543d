import BitCore
import _Differentiation

/// A rule that changes parameters along their gradients.
///
/// An optimizer keeps its state by the parameters' names, so a parameter may come or go between
/// steps. Parameters without a gradient, such as frozen ones, are left alone.
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

  /// Updates all parameters of `model` along their gradients, whose values are first multiplied by
  /// `scale`. Optimizers implement this; training loops call ``update(_:along:clipNorm:)``.
  ///
  /// - Parameters:
  ///   - model: the model to change.
  ///   - gradients: that of each parameter, as ``Module/gradients(_:)`` gives them; a parameter whose
  ///     gradient is `Tensor.zero` stays as it is.
  ///   - scale: what gradients are multiplied by.
  mutating func update<M: Module>(_ model: inout M, gradients: [Tensor], scale: Float)
}

extension Optimizer {
  /// The name of the type.
  public var settings: String { String(describing: Self.self) }

  /// Updates all parameters of `model` along `gradient`, which must be that of this model.
  ///
  /// At the first update it is checked that the model shows all of its parameters with the right
  /// gradients; see ``Module/checkChildren(gradient:)``. If it does not, the program ends.
  ///
  /// - Parameters:
  ///   - model: the model to change.
  ///   - gradient: the gradient of the loss.
  ///   - clipNorm: the maximum norm of the gradient over all parameters, to which a longer one is
  ///     scaled down (see ``GradientClipping``); nil for none.
  public mutating func update<M: Module>(
    _ model: inout M, along gradient: M.TangentVector, clipNorm: Float? = nil
  ) {
    if memory.step == 0 { model.requireChildren(gradient: gradient) }
    update(&model, gradients: model.gradients(gradient), clipNorm: clipNorm)
  }

  /// Updates all parameters of `model` along gradients that were added up, or came from elsewhere.
  ///
  /// - Parameters:
  ///   - model: the model to change.
  ///   - gradients: that of each parameter, as ``Module/gradients(_:)`` gives them.
  ///   - clipNorm: the maximum norm of the gradient over all parameters; nil for none.
  public mutating func update<M: Module>(
    _ model: inout M, gradients: [Tensor], clipNorm: Float? = nil
  ) {
    let scale = clipNorm.map {
      GradientClipping.scale(norm: GradientClipping.norm(of: gradients), maximum: $0)
    }
    update(&model, gradients: gradients, scale: scale ?? 1)
  }
}
