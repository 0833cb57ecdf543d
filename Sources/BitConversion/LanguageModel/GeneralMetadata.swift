import BitFiles
import BitFormats

/// The metadata that every GGUF file has, for a model that comes from safetensors.
enum GeneralMetadata {
  /// The architecture, a name and the type of the floats.
  ///
  /// - Parameters:
  ///   - architecture: that of a known language model; nil to take `model_type`.
  ///   - floats: the types of the floats in the file, the largest tensor first.
  static func metadata(of source: ModelFile, architecture: String?) -> GGUFMetadata {
    let floats = source.tensors.filter { if case .floats = $0.content { true } else { false } }
    let largest = floats.max { $0.byteCount < $1.byteCount }?.type
    var fileType: UInt32 = 0
    if largest == .safetensors(.f16) { fileType = 1 }
    if largest == .safetensors(.bf16) { fileType = 32 }
    return [
      "general.architecture": .string(
        architecture ?? source.config?["model_type"]?.stringValue ?? "bitlinear"),
      "general.name": .string(name(of: source)),
      "general.file_type": .uint32(fileType),
      "general.quantization_version": .uint32(2),
    ]
  }

  /// What the model calls itself, or else the name of its file or folder.
  private static func name(of source: ModelFile) -> String {
    if let name = source.config?["_name_or_path"]?.stringValue, !name.isEmpty { return name }
    let parts = source.path.split(separator: "/").map(String.init)
    guard let last = parts.last(where: { $0 != "." && $0 != ".." }) else { return "model" }
    return last.hasSuffix(".safetensors") ? String(last.dropLast(12)) : last
  }
}
