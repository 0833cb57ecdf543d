import BitCore
import _Differentiation

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
