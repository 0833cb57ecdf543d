import BitCore

/// What one part of a batch, or several together, gave: the gradients, and numbers such as the sum
/// of losses and the number of labels.
public struct PartResult: Sendable {
  /// The gradient of each parameter, in the order of the model; `Tensor.zero` where the loss does
  /// not depend on it.
  public var gradients: [Tensor]
  /// Numbers that are added up like the gradients.
  public var sums: [Double]

  /// A result of the given gradients and numbers.
  public init(gradients: [Tensor], sums: [Double] = []) {
    (self.gradients, self.sums) = (gradients, sums)
  }

  /// Adds the result of the parts that come after those of this one.
  mutating func add(_ later: PartResult) {
    precondition(
      gradients.count == later.gradients.count && sums.count == later.sums.count,
      "results of \(gradients.count) gradients and \(sums.count) numbers, "
        + "and of \(later.gradients.count) and \(later.sums.count), do not fit together")
    // One at a time, so that there is only one sum besides the tensors that are added.
    for i in gradients.indices { gradients[i] = gradients[i] + later.gradients[i] }
    for i in sums.indices { sums[i] += later.sums[i] }
  }
}
