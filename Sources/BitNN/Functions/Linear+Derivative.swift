import BitBLAS
import BitCore
import _Differentiation

// The differentiable functions of this folder are operations of BitCore with their reverse rules
// registered. Where it pays, a second rule leaves out the gradient of an input that is data. A
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
