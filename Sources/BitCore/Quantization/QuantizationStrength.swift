/// How far quantized values replace the latent ones: `v + strength * (quantized(v) - v)`.
///
/// At 1 (the rule) a layer computes with integers; below, in float. Raising it from 0 to 1 over the
/// first steps lets a trained float model adapt to quantization (lambda warm-up).
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
