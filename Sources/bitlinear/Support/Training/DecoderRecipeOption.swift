import ArgumentParser
import BitCore
import BitNN

/// The linear layers of language models that are trained. There is no recipe of signs: the files of
/// language models hold no such layers with integer activations.
enum DecoderRecipeOption: String, CaseIterable, ExpressibleByArgument {
  case b158
  /// Float layers, which are not quantized.
  case float

  /// How layers quantize; nil for float layers.
  var quantization: QuantizationRecipe? { self == .float ? nil : .b158WithoutNorm }
}
