import BitCore
import BitFiles

extension ModelFile {
  /// The object in a small JSON file of the model's folder; nil if there is no such file, and
  /// for GGUF.
  package func sibling(_ name: String) throws(InputError) -> JSONObject? {
    guard case .safetensors(let checkpoint) = storage else { return nil }
    let path = "\(checkpoint.folder)/\(name)"
    guard try FileSystem.FileKind(path: path) == .regular else { return nil }
    let value = try SiblingFile.json(path: path, limit: Self.siblingLimit)
    guard let object = value.objectValue else {
      throw InputError(
        .malformed, source: path, found: value.kindName, expected: "an object")
    }
    return object
  }

  private static let siblingLimit = 1 << 20
}
