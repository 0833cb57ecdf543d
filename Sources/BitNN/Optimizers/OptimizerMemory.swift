import BitCore

/// What an optimizer remembers of earlier updates.
public struct OptimizerMemory: Sendable {
  /// The number of updates so far.
  public var step = 0
  /// Tensors by name: the parameter's name, a dot, and a name that the optimizer chose.
  public var tensors: [String: Tensor] = [:]

  /// The memory of an optimizer with no steps taken.
  public init() {}

  /// A saved memory.
  public init(step: Int, tensors: [String: Tensor]) {
    self.step = step
    self.tensors = tensors
  }
}
