import BitCore

/// What a conversion may do, and how it stores weights.
public struct ConversionOptions: Sendable {
  /// How weights of codes are stored; nil for the first of these that holds all of them exactly:
  /// `hf`, `bitlinear` in safetensors; `tq2_0`, `i2_s`, `q2_0` in GGUF, or `q1_0` if all are signs.
  /// Layers that this project packed stay as they are in safetensors.
  public var type: ConversionType?
  /// Whether scales may be rounded to what the target holds, and differing ones be merged by least
  /// squares. Codes never change.
  public var isLossy = false
  /// Whether tensors keep their names where those of a BitNet language model would be translated.
  public var keepsNames = false
  /// How layers quantize activations, where the target says so and the source does not. Layers of
  /// Hugging Face have a scale for each token; `hf` cannot hold another recipe.
  public var recipe: QuantizationRecipe?

  /// Options for a conversion; see the properties.
  public init(
    type: ConversionType? = nil, isLossy: Bool = false, keepsNames: Bool = false,
    recipe: QuantizationRecipe? = nil
  ) {
    (self.type, self.isLossy, self.keepsNames) = (type, isLossy, keepsNames)
    self.recipe = recipe
  }
}
