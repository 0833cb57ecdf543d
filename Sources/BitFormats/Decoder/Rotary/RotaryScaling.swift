/// How the frequencies of a rotary embedding differ from `theta^(-2j/d)`, so that a model reads
/// longer texts than it was first trained on.
public enum RotaryScaling: Sendable, Hashable {
  /// They do not.
  case none
  /// All are divided by a factor (Chen et al., arXiv 2306.15595).
  case linear(factor: Float)
  /// Low frequencies are divided by a factor, high ones are kept, and between them there is a
  /// smooth passage: Llama 3.1. The limits are numbers of turns in `originalContext` positions.
  case llama3(factor: Float, lowFrequency: Float, highFrequency: Float, originalContext: Int)
  /// As `llama3`, with a linear passage, and with cosines and sines scaled by a factor at every
  /// position (Peng et al., arXiv 2309.00071).
  case yarn(YaRN)
  /// Each is divided by a number of its own, from the tensor `rope_freqs.weight` of GGUF.
  case divisors([Float])

  /// The numbers of ``RotaryScaling/yarn(_:)``.
  public struct YaRN: Sendable, Hashable {
    /// What the low frequencies are divided by; above 1.
    public var factor: Float
    /// The positions that the model was first trained on.
    public var originalContext: Int
    /// What cosines and sines are multiplied with.
    public var attentionFactor: Float
    /// The turns in `originalContext` positions from which a frequency is kept.
    public var betaFast: Float
    /// The turns in `originalContext` positions up to which a frequency is divided.
    public var betaSlow: Float

    /// The numbers; without an attention factor the one of the paper,
    /// ``defaultAttentionFactor(_:)``.
    public init(
      factor: Float, originalContext: Int, attentionFactor: Float? = nil, betaFast: Float = 32,
      betaSlow: Float = 1
    ) {
      (self.factor, self.originalContext) = (factor, originalContext)
      self.attentionFactor = attentionFactor ?? Self.defaultAttentionFactor(factor)
      (self.betaFast, self.betaSlow) = (betaFast, betaSlow)
    }
  }
}
