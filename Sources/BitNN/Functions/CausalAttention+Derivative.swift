import BitBLAS
import BitCore
import _Differentiation

/// Causal attention, in which each position attends to itself and all before it and heads of queries
/// may share heads of keys and values; see `AttentionOperation`. Its memory grows with the number of
/// tokens, not with its square.
///
/// - Parameters:
///   - queries: `[batch, positions, heads, length]`.
///   - keys: `[batch, positions, key-value heads, length]`.
///   - values: of the shape of `keys`.
///   - scale: what scores are multiplied with; nil for 1 / sqrt(length).
/// - Returns: a tensor of the shape of `queries`.
@differentiable(reverse,wrt: (queries, keys, values))
public func causalAttention(
  queries: Tensor, keys: Tensor, values: Tensor, scale: Float? = nil
) -> Tensor {
  AttentionOperation(scale: scale, matmul: .blas).forward(
    queries: queries, keys: keys, values: values
  ).output
}

@derivative(of: causalAttention, wrt: (queries, keys, values))
@usableFromInline
func causalAttentionDerivative(
  queries: Tensor, keys: Tensor, values: Tensor, scale: Float?
) -> (value: Tensor, pullback: (Tensor) -> (Tensor, Tensor, Tensor)) {
  let operation = AttentionOperation(scale: scale, matmul: .blas)
  let (output, logSums) = operation.forward(queries: queries, keys: keys, values: values)
  return (
    output,
    { upstream in
      if upstream.isZeroElement { return (.zero, .zero, .zero) }
      let gradient = operation.reverse(
        queries: queries, keys: keys, values: values, output: output, logSums: logSums,
        upstream: upstream)
      return (gradient.queries, gradient.keys, gradient.values)
    }
  )
}
