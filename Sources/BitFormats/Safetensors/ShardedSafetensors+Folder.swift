import BitCore
import BitFiles

extension ShardedSafetensors {
  /// The greatest length of a file that is read as a whole.
  private static var maximumFileLength: Int { 1 << 28 }

  /// Whether the folder has a file of this name.
  ///
  /// - Throws: ``InputError`` of kind `.malformed` for a name with a path.
  package func hasFile(_ name: String) throws(InputError) -> Bool {
    try FileSystem.FileKind(path: path(of: name)) == .regular
  }

  /// The bytes of another file of the folder, such as `tokenizer.json`.
  ///
  /// - Throws: ``InputError``: `.missing` or `.inputOutput` if it is not there or cannot be read,
  ///   `.malformed` for a name with a path, `.unsupported` for more than 256 MiB.
  package func contents(of name: String) throws(InputError) -> [UInt8] {
    try MappedFile.contents(of: path(of: name), limit: Self.maximumFileLength)
  }

  /// The value of a JSON file of the folder; throws as ``contents(of:)`` does, and `.malformed` if
  /// it is not JSON.
  package func json(of name: String) throws(InputError) -> JSONValue {
    try SiblingFile.json(path: path(of: name), limit: Self.maximumFileLength)
  }

  /// The object in `config.json`, or nil if the folder has no such file.
  ///
  /// - Throws: ``InputError`` that names the file if it cannot be read or holds no object.
  package func config() throws(InputError) -> JSONObject? {
    guard try hasFile(Self.configName) else { return nil }
    let value = try json(of: Self.configName)
    guard let object = value.objectValue else {
      throw InputError(
        .malformed, source: try path(of: Self.configName), found: value.kindName,
        expected: "an object")
    }
    return object
  }

  /// The `quantization_config` that a file has in its metadata, as this project writes it (see
  /// ``ModelFile/quantizationKey``), or else that of `config.json`; nil if there is none.
  ///
  /// - Throws: ``InputError`` as ``config()`` and ``HuggingFaceQuantization/init(config:source:)``
  ///   do.
  package func quantization() throws(InputError) -> HuggingFaceQuantization? {
    try quantization(config: config())
  }

  func quantization(config: JSONObject?) throws(InputError) -> HuggingFaceQuantization? {
    for file in files {
      let own = try HuggingFaceQuantization(metadata: file.metadata, source: file.source)
      if let own { return own }
    }
    guard let config else { return nil }
    return try HuggingFaceQuantization(config: config, source: path(of: Self.configName))
  }

  private static var configName: String { "config.json" }

  private func path(of name: String) throws(InputError) -> String {
    try SiblingFile.check(name: name, source: source)
    return "\(folder)/\(name)"
  }
}
