import BitCore
import BitFormats
import _Differentiation

/// The gated feed-forward layer `down(norm(f(gate(x)) * up(x)))`, the second half of a layer of a
/// ``DecoderModel``.
public struct GatedFeedForward: Layer, Sendable {
  /// From hidden states to the gates.
  public var gateProjection: Linear
  /// From hidden states to what is gated.
  public var upProjection: Linear
  /// From the gated values to what is added to the hidden states.
  public var downProjection: Linear
  /// The norm before the last projection, in families that have one.
  public var subNorm: RMSNorm?

  @noDerivative let activation: GateActivation

  /// The output, of the shape of the input `[..., hidden]`.
  @differentiable(reverse)
  public func callAsFunction(_ input: Tensor) -> Tensor {
    let gated = activation(gateProjection(input), upProjection(input))
    return downProjection(normalized(gated, subNorm))
  }

  /// Shows the parameters under Hugging Face's names.
  public mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    visit("gate_proj", &gateProjection, gradient?.gateProjection)
    visit("up_proj", &upProjection, gradient?.upProjection)
    visit("down_proj", &downProjection, gradient?.downProjection)
    visit("ffn_sub_norm", &subNorm, gradient?.subNorm)
  }
}
