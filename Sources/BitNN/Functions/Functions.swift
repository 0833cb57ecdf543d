import BitBLAS
import BitCore
import _Differentiation

// Differentiable functions for models. Each is an operation of BitCore with its reverse rule
// registered; where it pays, a second rule leaves out the gradient of an input that is data. A
// result that nothing depends on has the upstream gradient Tensor.zero, which has no shape.

/// y = x W^T + b for x `[..., in]`, weight `[out, in]` and bias `[out]` or nil.
@differentiable(reverse,wrt: (x, weight, bias))
public func linear(_ x: Tensor, weight: Tensor, bias: Tensor? = nil) -> Tensor {
  let output = LinearOperation.forward(x, weight: weight, bias: bias, matmul: .blas)
  NonFiniteLocator.current?.check(output, parameter: weight)
  return output
}

@derivative(of: linear, wrt: (x, weight, bias))
@usableFromInline
func linearDerivative(
  _ x: Tensor, weight: Tensor, bias: Tensor?
) -> (
  value: Tensor, pullback: (Tensor) -> (Tensor, Tensor, Tensor?.TangentVector)
) {
  (
    linear(x, weight: weight, bias: bias),
    { upstream in
      if upstream.isZeroElement { return (.zero, .zero, .zero) }
      let gradient = LinearOperation.reverse(
        x, weight: weight, bias: bias, upstream: upstream, matmul: .blas)
      return (gradient.input, gradient.weight, .init(gradient.bias))
    }
  )
}

@derivative(of: linear, wrt: (weight, bias))
@usableFromInline
func linearParametersDerivative(
  _ x: Tensor, weight: Tensor, bias: Tensor?
) -> (value: Tensor, pullback: (Tensor) -> (Tensor, Tensor?.TangentVector)) {
  (
    linear(x, weight: weight, bias: bias),
    { upstream in
      if upstream.isZeroElement { return (.zero, .zero) }
      let gradient = LinearOperation.reverse(
        x, weight: weight, bias: bias, upstream: upstream, wantsInput: false, matmul: .blas)
      return (gradient.weight, .init(gradient.bias))
    }
  )
}

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
  let output = BitLinearOperation(
    weight: weight, bias: bias, normWeight: normWeight, normBias: normBias, recipe: recipe,
    groups: groups, strength: strength, matmul: .blas
  ).forward(x).output
  NonFiniteLocator.current?.check(output, parameter: weight)
  return output
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
  let (output, context) = operation.forward(x)
  return (
    output,
    { upstream in
      if upstream.isZeroElement { return (.zero, .zero, .zero, .zero, .zero) }
      let gradients = operation.reverse(x, upstream: upstream, context: context)
      return (
        gradients.input, gradients.weight, .init(gradients.bias), .init(gradients.normWeight),
        .init(gradients.normBias)
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
  let (output, context) = operation.forward(x)
  return (
    output,
    { upstream in
      if upstream.isZeroElement { return (.zero, .zero, .zero, .zero) }
      let gradients = operation.reverse(
        x, upstream: upstream, context: context, wantsInput: false)
      return (
        gradients.weight, .init(gradients.bias), .init(gradients.normWeight),
        .init(gradients.normBias)
      )
    }
  )
}

extension Activation {
  @derivative(of: callAsFunction, wrt: x)
  @usableFromInline
  func callDerivative(_ x: Tensor) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    (self(x), { $0.isZeroElement ? $0 : self.reverse(x, upstream: $0) })
  }
}

extension Normalization {
  @derivative(of: callAsFunction, wrt: (x, weight, bias))
  @usableFromInline
  func callDerivative(
    _ x: Tensor, weight: Tensor?, bias: Tensor?
  ) -> (
    value: Tensor,
    pullback: (Tensor) -> (Tensor, Tensor?.TangentVector, Tensor?.TangentVector)
  ) {
    (
      self(x, weight: weight, bias: bias),
      { upstream in
        if upstream.isZeroElement { return (.zero, .zero, .zero) }
        let gradient = self.reverse(x, weight: weight, bias: bias, upstream: upstream)
        return (gradient.input, .init(gradient.weight), .init(gradient.bias))
      }
    )
  }

  @derivative(of: callAsFunction, wrt: (weight, bias))
  @usableFromInline
  func callParametersDerivative(
    _ x: Tensor, weight: Tensor?, bias: Tensor?
  ) -> (
    value: Tensor, pullback: (Tensor) -> (Tensor?.TangentVector, Tensor?.TangentVector)
  ) {
    (
      self(x, weight: weight, bias: bias),
      { upstream in
        if upstream.isZeroElement { return (.zero, .zero) }
        let gradient = self.reverse(
          x, weight: weight, bias: bias, upstream: upstream, wantsInput: false)
        return (.init(gradient.weight), .init(gradient.bias))
      }
    )
  }
}

/// max(x, 0) of every value.
@differentiable(reverse)
public func relu(_ x: Tensor) -> Tensor { Activation.relu(x) }

/// max(x, 0)^2 of every value.
@differentiable(reverse)
public func squaredReLU(_ x: Tensor) -> Tensor { Activation.squaredReLU(x) }

/// x sigmoid(x) of every value.
@differentiable(reverse)
public func silu(_ x: Tensor) -> Tensor { Activation.silu(x) }

/// x Phi(x) of every value, exact (with erf).
@differentiable(reverse)
public func gelu(_ x: Tensor) -> Tensor { Activation.gelu(x) }

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

extension EmbeddingLookup {
  @derivative(of: forward, wrt: table)
  @usableFromInline
  static func forwardDerivative(
    _ table: Tensor, indices: [Int32]
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    (
      forward(table, indices: indices),
      { $0.isZeroElement ? $0 : reverse(table, indices: indices, upstream: $0) }
    )
  }
}
