import BitCore
import BitFormats
import _Differentiation

/// Causal grouped-query attention with rotary embeddings, the first half of a layer of a
/// ``DecoderModel``.
public struct DecoderAttention: Layer, Sendable {
  /// From hidden states to the queries of all heads.
  public var queryProjection: Linear
  /// From hidden states to the keys of all heads.
  public var keyProjection: Linear
  /// From hidden states to the values of all heads.
  public var valueProjection: Linear
  /// From the results of all heads to what is added to the hidden states.
  public var outputProjection: Linear
  /// The norm of the queries of each head, in families that have one.
  public var queryNorm: RMSNorm?
  /// The norm of the keys of each head, in families that have one.
  public var keyNorm: RMSNorm?
  /// The norm before the output projection, in families that have one.
  public var subNorm: RMSNorm?

  @noDerivative let headLength: Int
  @noDerivative let angles: RotaryAngles

  /// The output, of the shape of the input `[batch, positions, hidden]`.
  @differentiable(reverse)
  public func callAsFunction(_ input: Tensor) -> Tensor {
    let (batch, positions) = (
      withoutDerivative(at: input.shape[0]), withoutDerivative(at: input.shape[1])
    )
    let tables = withoutDerivative(at: angles.tables(positions: positions))
    let queries = rotary(
      normalized(heads(queryProjection(input)), queryNorm), cosines: tables.cosines,
      sines: tables.sines)
    let keys = rotary(
      normalized(heads(keyProjection(input)), keyNorm), cosines: tables.cosines,
      sines: tables.sines)
    let attended = causalAttention(
      queries: queries, keys: keys, values: heads(valueProjection(input)))
    let merged = attended.reshaped([batch, positions, queryProjection.outFeatures])
    return outputProjection(normalized(merged, subNorm))
  }

  /// `[batch, positions, heads, length]` of `[batch, positions, features]`.
  @differentiable(reverse,wrt: x)
  private func heads(_ x: Tensor) -> Tensor {
    let shape = withoutDerivative(at: x.shape)
    return x.reshaped([shape[0], shape[1], shape[2] / headLength, headLength])
  }

  /// Shows the parameters under Hugging Face's names.
  public mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    visit("q_proj", &queryProjection, gradient?.queryProjection)
    visit("k_proj", &keyProjection, gradient?.keyProjection)
    visit("v_proj", &valueProjection, gradient?.valueProjection)
    visit("o_proj", &outputProjection, gradient?.outputProjection)
    visit("q_norm", &queryNorm, gradient?.queryNorm)
    visit("k_norm", &keyNorm, gradient?.keyNorm)
    visit("attn_sub_norm", &subNorm, gradient?.subNorm)
  }
}

/// The input after a norm that may be absent.
@differentiable(reverse)
func normalized(_ x: Tensor, _ norm: RMSNorm?) -> Tensor {
  if let norm { return norm(x) }
  return x
}
