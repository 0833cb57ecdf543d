import BitCore

/// How the inputs of ternary and sign layers are rounded while a model runs.
///
/// The weights are what they are; this is about the other factor of the products. A model gives its
/// best with what it was trained with, which is the default (see
/// ``LanguageModel/Options/activations``).
public enum ActivationMode: Sendable, Hashable {
  /// Not at all: products of floats. Slow, and what the others are measured against.
  case float
  /// 8 bits with one scale for each token: BitNet b1.58, Falcon-E, Llama 1.58.
  case int8
  /// 16 bits with one scale for each token: as good as floats, for models of which only the weights
  /// were quantized.
  case int16
  /// 8 bits with a scale for each block of 32, 64, 128 or 256 columns.
  case int8Blocks(Int)

  /// The name for options and messages.
  public var name: String {
    switch self {
    case .float: "float"
    case .int8: "int8"
    case .int16: "int16"
    case .int8Blocks(let length): "int8-b\(length)"
    }
  }

  /// All modes, for options.
  public static let all: [ActivationMode] =
    [.float, .int8, .int16] + ActivationQuantizer.Granularity.blockLengths.map { .int8Blocks($0) }

  /// The mode of a name; nil if there is none.
  public init?(name: String) {
    guard let mode = Self.all.first(where: { $0.name == name }) else { return nil }
    self = mode
  }

  /// The quantizer; nil for floats.
  var quantizer: ActivationQuantizer? {
    switch self {
    case .float: nil
    case .int8: QuantizationRecipe.b158.activations
    case .int16: ActivationQuantizer(bits: 16)
    case .int8Blocks(let length): ActivationQuantizer(granularity: .block(length))
    }
  }
}
