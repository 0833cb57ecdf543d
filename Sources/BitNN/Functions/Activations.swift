import BitCore
import _Differentiation

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

extension Activation {
  @derivative(of: callAsFunction, wrt: x)
  @usableFromInline
  func callDerivative(_ x: Tensor) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    (self(x), { $0.isZeroElement ? $0 : self.reverse(x, upstream: $0) })
  }
}
