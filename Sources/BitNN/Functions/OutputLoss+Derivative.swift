import BitBLAS
import BitCore
import _Differentiation

/// The output layer of a language model and its loss in one; see `OutputLossOperation`.
///
/// - Parameters:
///   - hidden: `[..., features]`, a row for each label.
///   - weight: the output layer, `[vocabulary, features]`.
///   - labels: the token after each row, in 0..<vocabulary, or `ignoredLabel`.
///   - ignoredLabel: what marks rows that do not count.
///   - divisor: what to divide the sum over rows by; nil for the number of those that count.
///   - teacher: what else is to be learned; nil for labels alone.
@differentiable(reverse,wrt: (hidden, weight))
public func outputLoss(
  _ hidden: Tensor, weight: Tensor, labels: [Int32], ignoredLabel: Int32? = -100,
  divisor: Int? = nil, teacher: OutputLossOperation.Teacher? = nil
) -> Float {
  let operation = OutputLossOperation(
    labels: labels, ignoredLabel: ignoredLabel, divisor: divisor, teacher: teacher, matmul: .blas)
  let losses = operation.losses(hidden, weight: weight)
  return Float(losses.reduce(0, +) / Double(operation.divisor))
}

@derivative(of: outputLoss, wrt: (hidden, weight))
@usableFromInline
func outputLossDerivative(
  _ hidden: Tensor, weight: Tensor, labels: [Int32], ignoredLabel: Int32?, divisor: Int?,
  teacher: OutputLossOperation.Teacher?
) -> (value: Float, pullback: (Float) -> (Tensor, Tensor)) {
  let result = OutputLossOperation(
    labels: labels, ignoredLabel: ignoredLabel, divisor: divisor, teacher: teacher, matmul: .blas
  )(hidden, weight: weight)
  return (
    result.loss,
    { upstream in
      if upstream == 1 { return (result.hidden, result.weight) }
      return (result.hidden * upstream, result.weight * upstream)
    }
  )
}
