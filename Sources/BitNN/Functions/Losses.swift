import BitCore
import _Differentiation

/// The mean over rows of the cross entropy between softmax(logits) and the labels' classes.
///
/// - Parameters:
///   - logits: `[..., classes]`.
///   - labels: the class of each row, 0..<classes.
///   - labelSmoothing: the share of each target that is spread evenly over all classes.
@differentiable(reverse,wrt: logits)
public func softmaxCrossEntropy(
  _ logits: Tensor, labels: [Int32], labelSmoothing: Float = 0
) -> Float {
  Losses.softmaxCrossEntropy(logits, labels: labels, labelSmoothing: labelSmoothing).loss
}

@derivative(of: softmaxCrossEntropy, wrt: logits)
@usableFromInline
func softmaxCrossEntropyDerivative(
  _ logits: Tensor, labels: [Int32], labelSmoothing: Float
) -> (value: Float, pullback: (Float) -> Tensor) {
  let result = Losses.softmaxCrossEntropy(logits, labels: labels, labelSmoothing: labelSmoothing)
  return (result.loss, { result.gradient * $0 })
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
