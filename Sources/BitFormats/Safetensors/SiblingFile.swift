import BitCore
import BitFiles

/// Files that a checkpoint names or has beside its tensors.
enum SiblingFile {
  /// Checks that a name leads to a file of its folder and nowhere else.
  static func check(name: String, source: String) throws(InputError) {
    let bytes = Array(name.utf8)
    let refused = [UInt8(ascii: "/"), UInt8(ascii: "\\"), 0]
    guard !bytes.isEmpty, name != ".", !bytes.contains(where: refused.contains),
      !zip(bytes, bytes.dropFirst()).contains(where: { $0 == 0x2e && $1 == 0x2e })
    else {
      throw InputError(
        .malformed, source: source, found: "the file name \(ErrorText.quoted(name))",
        expected: "a file of the same folder, without a path")
    }
  }

  /// The bytes of a file of at most `limit` bytes.
  static func bytes(path: String, limit: Int) throws(InputError) -> [UInt8] {
    let file = try MappedFile(path: path)
    guard file.count <= limit else {
      throw InputError(
        .unsupported, source: path, found: "\(file.count) bytes", expected: "at most \(limit)")
    }
    return file.withUnsafeBytes { Array($0) }
  }

  /// The value of a JSON file of at most `limit` bytes.
  static func json(path: String, limit: Int) throws(InputError) -> JSONValue {
    try JSONValue(parsing: bytes(path: path, limit: limit), source: path)
  }
}

extension ShardedSafetensors {
  /// The greatest length of a file that is read as a whole.
  private static var maximumFileLength: Int { 1 << 28 }

  /// Whether the folder has a file of this name.
  ///
  /// - Throws: ``InputError`` of kind `.malformed` for a name with a path.
  public func hasFile(_ name: String) throws(InputError) -> Bool {
    try FileSystem.FileKind(path: path(of: name)) == .regular
  }

  /// The bytes of another file of the folder, such as `tokenizer.json`.
  ///
  /// - Throws: ``InputError``: `.missing` or `.inputOutput` if it is not there or cannot be read,
  ///   `.malformed` for a name with a path, `.unsupported` for more than 256 MiB.
  public func contents(of name: String) throws(InputError) -> [UInt8] {
    try SiblingFile.bytes(path: path(of: name), limit: Self.maximumFileLength)
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
  public func quantization() throws(InputError) -> HuggingFaceQuantization? {
    for file in files {
      let own = try HuggingFaceQuantization(metadata: file.metadata, source: file.source)
      if let own { return own }
    }
    guard let config = try config() else { return nil }
    return try HuggingFaceQuantization(config: config, source: path(of: Self.configName))
  }

  private static var configName: String { "config.json" }

  private func path(of name: String) throws(InputError) -> String {
    try SiblingFile.check(name: name, source: source)
    return "\(folder)/\(name)"
  }
}
