import BitCore
import BitFiles

extension ModelFile {
  /// The object in a small JSON file of the model's folder; nil if there is no such file, and
  /// for GGUF.
  package func sibling(_ name: String) throws(InputError) -> JSONObject? {
    guard let siblingFolder else { return nil }
    let path = "\(siblingFolder)/\(name)"
    guard try FileSystem.FileKind(path: path) == .regular else { return nil }
    let value = try SiblingFile.json(path: path, limit: Self.siblingLimit)
    guard let object = value.objectValue else {
      throw InputError(
        .malformed, source: path, found: value.kindName, expected: "an object")
    }
    return object
  }

  /// The folder of the tensors, in which the small files of a Hugging Face model are; nil for GGUF.
  package var siblingFolder: String? {
    if case .safetensors(let checkpoint) = storage { checkpoint.folder } else { nil }
  }

  private static let siblingLimit = 1 << 20
}
