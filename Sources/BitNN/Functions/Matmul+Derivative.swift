import BitBLAS
import BitCore
import _Differentiation

/// The matrix products `op(a) op(b)`, one for each index of the leading axes, with op(x) the matrix
/// or its transpose.
///
/// - Parameters:
///   - a: `[..., m, k]`, or `[..., k, m]` if transposed.
///   - b: `[..., k, n]`, or `[..., n, k]` if transposed. The leading axes of both broadcast by
///     NumPy's rules.
///   - transposeA: whether the matrices of `a` are transposed.
///   - transposeB: whether the matrices of `b` are transposed.
/// - Returns: `[..., m, n]`.
@differentiable(reverse,wrt: (a, b))
public func matmul(
  _ a: Tensor, _ b: Tensor, transposeA: Bool = false, transposeB: Bool = false
) -> Tensor {
  MatmulOperation.forward(a, b, transposeA: transposeA, transposeB: transposeB, matmul: .blas)
}

@derivative(of: matmul, wrt: (a, b))
@usableFromInline
func matmulDerivative(
  _ a: Tensor, _ b: Tensor, transposeA: Bool, transposeB: Bool
) -> (value: Tensor, pullback: (Tensor) -> (Tensor, Tensor)) {
  (
    matmul(a, b, transposeA: transposeA, transposeB: transposeB),
    { upstream in
      if upstream.isZeroElement { return (.zero, .zero) }
      return MatmulOperation.reverse(
        a, b, transposeA: transposeA, transposeB: transposeB, upstream: upstream, matmul: .blas)
    }
  )
}
