import BitBLAS
import BitCore
import _Differentiation

/// A BitLinear layer as a function: normalization, quantization, integer product, scales, with
/// straight-through gradients; see ``BitLinearOperation``.
///
/// - Parameters:
///   - x: `[..., in]`.
///   - weight: latent weights `[out, in]`.
///   - bias: `[out]` or nil.
///   - normWeight: the factor of the recipe's normalization, `[in]`, or nil.
///   - normBias: the offset of the recipe's normalization, `[in]`, or nil.
///   - groups: blocks of output rows with a scale each; divides `out`.
///   - strength: 1 for integers, less to blend with the latent values.
@differentiable(reverse,wrt: (x, weight, bias, normWeight, normBias))
public func bitLinear(
  _ x: Tensor, weight: Tensor, bias: Tensor? = nil, normWeight: Tensor? = nil,
  normBias: Tensor? = nil, recipe: QuantizationRecipe, groups: Int = 1,
  strength: QuantizationStrength = .full
) -> Tensor {
  let output = NormalizedBitLinear(
    x, weight, bias, normWeight, normBias, recipe, groups, strength
  ).operation.output
  NonFiniteLocator.current?.check(output, parameter: weight)
  return output
}

/// One call of ``bitLinear(_:weight:bias:normWeight:normBias:recipe:groups:strength:)`` with what
/// its gradients need.
private struct NormalizedBitLinear {
  let operation: BitLinearOperation
  private let x: Tensor
  private let normalization: Normalization?
  private let normWeight: Tensor?
  private let normBias: Tensor?

  init(
    _ x: Tensor, _ weight: Tensor, _ bias: Tensor?, _ normWeight: Tensor?, _ normBias: Tensor?,
    _ recipe: QuantizationRecipe, _ groups: Int, _ strength: QuantizationStrength
  ) {
    self.x = x
    normalization = recipe.normalization
    self.normWeight = normWeight
    self.normBias = normBias
    let normalized = normalization?(x, weight: normWeight, bias: normBias) ?? x
    operation = BitLinearOperation(
      normalized, weight: weight, bias: bias, recipe: recipe, groups: groups, strength: strength,
      matmul: .blas)
  }

  func reverse(
    _ upstream: Tensor, wantsInput: Bool
  ) -> (
    input: Tensor, weight: Tensor, bias: Tensor?.TangentVector,
    normWeight: Tensor?.TangentVector, normBias: Tensor?.TangentVector
  ) {
    if upstream.isZeroElement { return (.zero, .zero, .zero, .zero, .zero) }
    // The gradient of the product's input costs a product: it is taken only for who wants it.
    let learnsNorm = normWeight != nil || normBias != nil
    let product = operation.reverse(upstream: upstream, wantsInput: wantsInput || learnsNorm)
    guard let normalization, wantsInput || learnsNorm else {
      return (product.input, product.weight, .init(product.bias), .zero, .zero)
    }
    let norm = normalization.reverse(
      x, weight: normWeight, bias: normBias, upstream: product.input, wantsInput: wantsInput)
    return (
      norm.input, product.weight, .init(product.bias), .init(norm.weight), .init(norm.bias)
    )
  }
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
  let call = NormalizedBitLinear(
    x, weight, bias, normWeight, normBias, recipe, groups, strength)
  return (call.operation.output, { call.reverse($0, wantsInput: true) })
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
  let call = NormalizedBitLinear(
    x, weight, bias, normWeight, normBias, recipe, groups, strength)
  return (
    call.operation.output,
    { upstream in
      let gradient = call.reverse(upstream, wantsInput: false)
      return (gradient.weight, gradient.bias, gradient.normWeight, gradient.normBias)
    }
  )
}
