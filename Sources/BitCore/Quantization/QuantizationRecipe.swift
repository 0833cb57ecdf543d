/// How a BitLinear layer normalizes its input and quantizes its input and its weights.
///
/// There is a recipe for each of the two papers, and every part of a recipe can be changed:
///
/// ```swift
/// QuantizationRecipe.bitnet                  // 1 bit, absmax over the tensor, no norm
/// QuantizationRecipe.b158                    // ternary, absmax per token, RMSNorm
/// var custom = QuantizationRecipe.b158
/// custom.normalization = .layer()
/// ```
public struct QuantizationRecipe: Sendable, Hashable {
  /// The codes of the weights; see ``WeightQuantizer`` for how they are made.
  public var weights: WeightAlphabet
  /// How activations become integers.
  public var activations: ActivationQuantizer
  /// The normalization of the input before it is quantized; nil for none.
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

  /// The input of a layer, normalized; the input itself without a normalization.
  func normalized(_ x: Tensor, weight: Tensor?, bias: Tensor?) -> Tensor {
    normalization?(x, weight: weight, bias: bias) ?? x
  }

  /// The input of a layer, normalized and quantized.
  package func quantizedInput(
    _ x: Tensor, normWeight: Tensor?, normBias: Tensor?
  ) -> QuantizedTensor {
    activations.quantize(normalized(x, weight: normWeight, bias: normBias))
  }

  /// BitNet (arXiv 2310.11453) as in the reference layer, without its defects: sign weights, 8-bit
  /// activations with one scale for the tensor, no normalization.
  public static let bitnet = QuantizationRecipe(
    weights: .sign, activations: ActivationQuantizer(granularity: .tensor), normalization: nil)

  /// BitNet b1.58 (arXiv 2402.17764): ternary weights, 8-bit activations with one scale per token,
  /// RMSNorm without a learned factor inside the layer.
  public static let b158 = QuantizationRecipe(
    weights: .ternary, activations: ActivationQuantizer(granularity: .token, epsilon: 1e-5),
    normalization: .rms())
}

extension QuantizationRecipe: CustomStringConvertible {
  /// The parts of the recipe in one line.
  public var description: String {
    let norm = normalization.map { "\($0)" } ?? "none"
    return "QuantizationRecipe(weights: \(weights.rawValue), activations: \(activations), "
      + "norm: \(norm))"
  }
}
