import BitCore
import BitFormats
import BitFiles

/// How a conversion stores ternary and sign weights.
public enum ConversionType: String, Sendable, CaseIterable {
  /// safetensors, as Hugging Face packs ternary weights with one scale; see ``HuggingFaceLayer``.
  case hf
  /// safetensors, as this project packs its layers; see ``PackedLayerFile``.
  case bitlinear
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
    case .hf, .bitlinear: nil
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
    case .hf, .bitlinear: nil
    case .tq1_0: 36
    case .tq2_0: 37
    case .q1_0, .i2_s: 40
    case .q2_0: 41
    }
  }
}

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
  /// How layers quantize activations, where the target says so and the source does not.
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

/// Where a conversion goes.
enum ConversionTarget: Sendable, Equatable {
  case safetensors(String)
  case gguf(String)
  /// A folder that receives `model.safetensors`, `config.json` and the small other files.
  case folder(String)

  /// By the suffix; a name without one, or that ends with a slash, is a folder.
  init(path: String) throws(InputError) {
    var bytes = path.utf8[...]
    let isFolder = bytes.last == UInt8(ascii: "/")
    while bytes.count > 1, bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
    let trimmed = String(bytes) ?? path
    if isFolder {
      self = .folder(trimmed)
    } else if path.utf8.suffix(5).elementsEqual(".gguf".utf8) {
      self = .gguf(path)
    } else if path.utf8.suffix(12).elementsEqual(".safetensors".utf8) {
      self = .safetensors(path)
    } else {
      let name = path.split(separator: "/").last ?? ""
      let suffix = name.lastIndex(of: ".").map { name[name.index(after: $0)...] } ?? ""
      let isSuffix = !suffix.isEmpty && suffix.allSatisfy { $0.isASCII && $0.isLetter }
      let exists = try FileSystem.FileKind(path: path)
      guard !path.isEmpty, exists != .regular, exists != nil || !isSuffix else {
        throw InputError(
          .unsupported, source: path, found: "a name that does not end in .safetensors or .gguf",
          expected: "one that does, or a folder")
      }
      self = .folder(trimmed)
    }
  }

  var isGGUF: Bool { if case .gguf = self { true } else { false } }

  /// The file of the tensors.
  var file: String {
    switch self {
    case .safetensors(let path), .gguf(let path): path
    case .folder(let path): "\(path)/\(ShardedSafetensors.fileName)"
    }
  }
}

extension ConversionType {
  /// A scale as the type stores it: rounded to half precision in the types of llama.cpp.
  public func stored(scale: Float) -> Float {
    switch self {
    case .hf, .bitlinear, .i2_s: scale
    case .tq1_0, .tq2_0, .q1_0, .q2_0: HalfPrecision.float(f16: HalfPrecision.f16(scale))
    }
  }
}

extension Conversion {
  /// The name in the target of a tensor of the source; the same if there is no such tensor.
  public func name(of name: String) -> String {
    items.first { $0.tensor.name == name }?.name ?? name
  }
}
