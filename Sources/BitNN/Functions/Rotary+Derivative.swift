import BitCore
import _Differentiation

/// Rotary position embedding of the heads of a sequence; see `RotaryOperation`.
///
/// The first `2 * half` elements of each head turn, in pairs that lie `half` apart, by the angles
/// whose cosines and sines the tables hold; the other elements stay as they are.
///
/// - Parameters:
///   - x: `[..., positions, heads, length]`.
///   - cosines: `[positions, half]`, with `2 * half <= length`; constants.
///   - sines: `[positions, half]`; constants.
/// - Returns: a tensor of the shape of `x`.
@differentiable(reverse,wrt: x)
public func rotary(_ x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor {
  RotaryOperation.forward(x, cosines: cosines, sines: sines)
}

@derivative(of: rotary, wrt: x)
@usableFromInline
func rotaryDerivative(
  _ x: Tensor, cosines: Tensor, sines: Tensor
) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
  (
    rotary(x, cosines: cosines, sines: sines),
    {
      $0.isZeroElement
        ? $0 : RotaryOperation.reverse(cosines: cosines, sines: sines, upstream: $0)
    }
  )
}
