import BitCore
import _Differentiation

/// A layer of a ``DecoderModel``: x += attention(norm(x)), then x += feedForward(norm(x)).
public struct DecoderBlock: Layer, Sendable {
  /// The norm before attention.
  public var attentionNorm: RMSNorm
  /// Attention.
  public var attention: DecoderAttention
  /// The norm before the feed-forward layer.
  public var feedForwardNorm: RMSNorm
  /// The feed-forward layer.
  public var feedForward: GatedFeedForward

  /// The output, of the shape of the input `[batch, positions, hidden]`.
  @differentiable(reverse)
  public func callAsFunction(_ input: Tensor) -> Tensor {
    let attended = input + attention(attentionNorm(input))
    return attended + feedForward(feedForwardNorm(attended))
  }

  /// Shows the parameters under Hugging Face's names.
  public mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    visit("input_layernorm", &attentionNorm, gradient?.attentionNorm)
    visit("self_attn", &attention, gradient?.attention)
    visit("post_attention_layernorm", &feedForwardNorm, gradient?.feedForwardNorm)
    visit("mlp", &feedForward, gradient?.feedForward)
  }
}
