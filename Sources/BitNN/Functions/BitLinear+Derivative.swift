import BitBLAS
import BitCore
import _Differentiation

/// A BitLinear layer as a function: normalization, quantization, integer product, scales, with
/// straight-through gradients; see `BitLinearOperation`.
///
/// - Parameters:
///   - x: `[..., in]`.
///   - weight: latent weights `[out, in]`.
///   - bias: `[out]` or nil.
///   - normWeight: the factor of the recipe's normalization, `[in]`, or nil.
///   - normBias: the offset of the recipe's normalization, `[in]`, or nil.
///   - recipe: how input and weights are quantized.
///   - groups: equal parts of the output rows with a scale each; divides `out`.
///   - strength: 1 for integers, less to blend with the latent values.
@differentiable(reverse,wrt: (x, weight, bias, normWeight, normBias))
public func bitLinear(
  _ x: Tensor, weight: Tensor, bias: Tensor? = nil, normWeight: Tensor? = nil,
  normBias: Tensor? = nil, recipe: QuantizationRecipe, groups: Int = 1,
  strength: QuantizationStrength = .full
) -> Tensor {
  let output = BitLinearOperation(
    weight: weight, bias: bias, normWeight: normWeight, normBias: normBias, recipe: recipe,
    groups: groups, strength: strength, matmul: .blas
  ).forward(x).output
  NonFiniteLocator.current?.check(output, parameter: weight)
  return output
}

/// The output and the reverse rule; the gradient of the input costs a product, so it is computed
/// only if it is wanted.
private func bitLinearRule(
  _ x: Tensor, _ operation: BitLinearOperation, wantsInput: Bool
) -> (value: Tensor, reverse: (Tensor) -> BitLinearOperation.Gradients?) {
  let (output, context) = operation.forward(x)
  return (
    output,
    { upstream in
      if upstream.isZeroElement { return nil }
      return operation.reverse(upstream: upstream, context: context, wantsInput: wantsInput)
    }
  )
}

@derivative(of: bitLinear, wrt: (x, weight, bias, normWeight, normBias))
@usableFromInline
func bitLinearDerivative(
  _ x: Tensor, weight: Tensor, bias: Tensor?, normWeight: Tensor?, normBias: Tensor?,
  recipe: QuantizationRecipe, groups: Int, strength: QuantizationStrength
) -> (
  value: Tensor,
  pullback: (Tensor) -> (
    Tensor, Tensor, Tensor?.TangentVector, Tensor?.TangentVector, Tensor?.TangentVector
  )
) {
  let operation = BitLinearOperation(
    weight: weight, bias: bias, normWeight: normWeight, normBias: normBias, recipe: recipe,
    groups: groups, strength: strength, matmul: .blas)
  let (value, reverse) = bitLinearRule(x, operation, wantsInput: true)
  return (
    value,
    { upstream in
      guard let all = reverse(upstream) else { return (.zero, .zero, .zero, .zero, .zero) }
      return (
        all.input, all.weight, .init(all.bias), .init(all.normWeight), .init(all.normBias)
      )
    }
  )
}

@derivative(of: bitLinear, wrt: (weight, bias, normWeight, normBias))
@usableFromInline
func bitLinearParametersDerivative(
  _ x: Tensor, weight: Tensor, bias: Tensor?, normWeight: Tensor?, normBias: Tensor?,
  recipe: QuantizationRecipe, groups: Int, strength: QuantizationStrength
) -> (
  value: Tensor,
  pullback: (Tensor) -> (
    Tensor, Tensor?.TangentVector, Tensor?.TangentVector, Tensor?.TangentVector
  )
) {
  let operation = BitLinearOperation(
    weight: weight, bias: bias, normWeight: normWeight, normBias: normBias, recipe: recipe,
    groups: groups, strength: strength, matmul: .blas)
  let (value, reverse) = bitLinearRule(x, operation, wantsInput: false)
  return (
    value,
    { upstream in
      guard let all = reverse(upstream) else { return (.zero, .zero, .zero, .zero) }
      return (all.weight, .init(all.bias), .init(all.normWeight), .init(all.normBias))
    }
  )
}
