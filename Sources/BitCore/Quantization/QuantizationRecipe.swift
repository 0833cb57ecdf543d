/// How a BitLinear layer quantizes: its weights, its activations and what comes before.
///
/// Two recipes stand for the two papers; every part can be changed:
///
/// ```swift
/// QuantizationRecipe.bitnet                  // 1 bit, absmax over the tensor, no norm
/// QuantizationRecipe.b158                    // ternary, absmax for each token, RMSNorm
/// var custom = QuantizationRecipe.b158
/// custom.normalization = .layer()
/// ```
public struct QuantizationRecipe: Sendable, Hashable {
  /// The codes that weights become; see ``WeightQuantizer`` for how.
  public var weights: WeightAlphabet
  /// How activations become integers.
  public var activations: ActivationQuantizer
  /// What is done to the input before it is quantized; nil for nothing.
  public var normalization: Normalization?

  /// The quantizer of the weights.
  public var weightQuantizer: WeightQuantizer { WeightQuantizer(weights) }

  /// A recipe of the given parts.
  public init(
    weights: WeightAlphabet, activations: ActivationQuantizer, normalization: Normalization?
  ) {
    self.weights = weights
    self.activations = activations
    self.normalization = normalization
  }

  /// BitNet (arXiv 2310.11453) as the reference layer uses it, its defects mended: sign weights,
  /// 8-bit activations with one scale for the tensor, no normalization.
  public static let bitnet = QuantizationRecipe(
    weights: .sign, activations: ActivationQuantizer(granularity: .tensor), normalization: nil)

  /// BitNet b1.58 (arXiv 2402.17764): ternary weights, 8-bit activations with a scale for each
  /// token, RMSNorm without a weight inside the layer.
  public static let b158 = QuantizationRecipe(
    weights: .ternary, activations: ActivationQuantizer(granularity: .token, epsilon: 1e-5),
    normalization: .rms())
}

/// How far the quantized values replace the latent ones: `v + strength * (quantized(v) - v)`.
///
/// At 1 (the rule) a layer computes with integers; below, in float. Raising it from 0 to 1 over
/// the first steps eases a trained float model into quantization (lambda warm-up).
public struct QuantizationStrength: Sendable, Hashable, ExpressibleByFloatLiteral {
  /// For weights, 0...1.
  public var weights: Float
  /// For activations, 0...1.
  public var activations: Float

  /// A strength for each.
  public init(weights: Float, activations: Float) {
    self.weights = weights
    self.activations = activations
  }

  /// One strength for both.
  public init(_ both: Float) { self.init(weights: both, activations: both) }

  /// One strength for both.
  public init(floatLiteral both: Float) { self.init(both) }

  /// Everything quantized, computed in integers.
  public static let full: QuantizationStrength = 1.0
}
