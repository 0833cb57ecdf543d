import BitCore
import _Differentiation

/// The mean over rows of the cross entropy between softmax(logits) and the labels' classes.
///
/// - Parameters:
///   - logits: `[..., classes]`.
///   - labels: the class of each row, 0..<classes, or `ignoredLabel`.
///   - labelSmoothing: the share of each target that is spread evenly over all classes.
///   - ignoredLabel: rows with this label count neither in the sum nor in the mean, whatever their
///     logits are, and have the gradient zero. If all rows are ignored, the loss is 0.
///   - divisor: what to divide the sum over rows by instead of the number of rows that count, so
///     that the losses of the parts of a batch add up to that of the batch.
@differentiable(reverse,wrt: logits)
public func softmaxCrossEntropy(
  _ logits: Tensor, labels: [Int32], labelSmoothing: Float = 0, ignoredLabel: Int32? = nil,
  divisor: Int? = nil
) -> Float {
  Losses.softmaxCrossEntropyLoss(
    logits, labels: labels, labelSmoothing: labelSmoothing, ignoredLabel: ignoredLabel,
    divisor: divisor)
}

@derivative(of: softmaxCrossEntropy, wrt: logits)
@usableFromInline
func softmaxCrossEntropyDerivative(
  _ logits: Tensor, labels: [Int32], labelSmoothing: Float, ignoredLabel: Int32?, divisor: Int?
) -> (value: Float, pullback: (Float) -> Tensor) {
  let result = Losses.softmaxCrossEntropy(
    logits, labels: labels, labelSmoothing: labelSmoothing, ignoredLabel: ignoredLabel,
    divisor: divisor)
  // The gradient of a whole vocabulary is large: it is not copied for a factor of 1.
  return (result.loss, { $0 == 1 ? result.gradient : result.gradient * $0 })
}

/// The mean over all values of (x - target)^2, for tensors of one shape.
@differentiable(reverse,wrt: x)
public func meanSquaredError(_ x: Tensor, target: Tensor) -> Float {
  Losses.meanSquaredError(x, target: target).loss
}

@derivative(of: meanSquaredError, wrt: x)
@usableFromInline
func meanSquaredErrorDerivative(
  _ x: Tensor, target: Tensor
) -> (value: Float, pullback: (Float) -> Tensor) {
  let result = Losses.meanSquaredError(x, target: target)
  return (result.loss, { result.gradient * $0 })
}
