import ArgumentParser
import BitCore

/// The recipes that `--recipe` names.
enum RecipeOption: String, CaseIterable, Codable, ExpressibleByArgument {
  case bitnet
  case b158
  /// Float layers, which are not quantized.
  case float

  /// How layers quantize; nil for float layers.
  var quantization: QuantizationRecipe? {
    switch self {
    case .bitnet: .bitnet
    case .b158: .b158
    case .float: nil
    }
  }

  /// The recipe of that name; for a command that needs one that quantizes.
  static func quantization(_ name: String) throws -> QuantizationRecipe {
    guard let recipe = RecipeOption(rawValue: name)?.quantization else {
      throw ValidationError("Please provide 'bitnet' or 'b158'.")
    }
    return recipe
  }
}
