import BitCore
import _Differentiation

/// Softmax over the last axis; see `SoftmaxOperation`.
///
/// - Parameters:
///   - x: `[..., n]`; `[..., queries, keys]` with queries <= keys for a causal mask.
///   - mask: what each row sees. It is a constant: add a learned bias to `x` instead.
/// - Returns: a tensor of the shape of `x`. A row that sees nothing is zeros.
@differentiable(reverse,wrt: x)
public func softmax(_ x: Tensor, mask: SoftmaxMask = .none) -> Tensor {
  SoftmaxOperation.forward(x, mask: mask)
}

@derivative(of: softmax, wrt: x)
@usableFromInline
func softmaxDerivative(
  _ x: Tensor, mask: SoftmaxMask
) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
  let output = softmax(x, mask: mask)
  return (
    output,
    {
      $0.isZeroElement
        ? $0 : SoftmaxOperation.reverse(output: output, mask: mask, upstream: $0)
    }
  )
}
