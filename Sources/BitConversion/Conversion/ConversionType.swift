import BitCore
import BitFormats

/// How a conversion stores ternary and sign weights.
public enum ConversionType: String, Sendable, CaseIterable {
  /// safetensors, as Hugging Face packs ternary weights with one scale; see `HuggingFaceLayer`.
  case hf
  /// safetensors, as this project packs its layers; see `PackedLayerFile`.
  case bitlinear
  /// Either format, every weight as the float that it stands for: how models are passed on of which
  /// only the weights were quantized, and what holds rows of any length.
  case float
  /// GGUF, ternary, a half precision scale for each 256 weights.
  case tq1_0
  /// GGUF, ternary, a half precision scale for each 256 weights.
  case tq2_0
  /// GGUF, signs, a half precision scale for each 128 weights.
  case q1_0
  /// GGUF, ternary, a half precision scale for each 64 weights.
  case q2_0
  /// GGUF of bitnet.cpp, ternary, a float32 scale for each tensor; the x86 layout.
  case i2_s

  /// The type in a GGUF file; nil for what goes to safetensors.
  var gguf: GGUFTensorType? {
    switch self {
    case .hf, .bitlinear, .float: nil
    case .tq1_0: .tq1_0
    case .tq2_0: .tq2_0
    case .q1_0: .q1_0
    case .q2_0: .q2_0
    case .i2_s: .i2_s
    }
  }

  /// The number that llama.cpp, or bitnet.cpp for I2_S, has for a file mostly of this type.
  var ggufFileType: UInt32? {
    switch self {
    case .hf, .bitlinear, .float: nil
    case .tq1_0: 36
    case .tq2_0: 37
    case .q1_0, .i2_s: 40
    case .q2_0: 41
    }
  }

  /// A scale as the type stores it: rounded to half precision in the types of llama.cpp.
  public func stored(scale: Float) -> Float {
    switch self {
    case .hf, .bitlinear, .float, .i2_s: scale
    case .tq1_0, .tq2_0, .q1_0, .q2_0: HalfPrecision.float(f16: HalfPrecision.f16(scale))
    }
  }
}
