import BitCore
import BitFiles

extension TokenizerDefinition {
  /// The tokenizer of a Hugging Face folder: tokenizer.json with, as far as they are there,
  /// tokenizer_config.json, chat_template.jinja, generation_config.json and config.json.
  ///
  /// - Throws: `InputError` that names the file, what was found and what was expected; of kind
  ///   `.unsupported` for what is known but not supported.
  public init(folder: String) throws(InputError) {
    let path = folder + "/tokenizer.json"
    let file = try MappedFile(path: path)
    guard file.count <= TokenizerLimits.fileBytes else {
      throw InputError(
        .unsupported, source: path, found: "\(file.count) bytes",
        expected: "at most \(TokenizerLimits.fileBytes)")
    }
    let files = try TokenizerFolder(folder)
    self = try file.withUnsafeBytes { (bytes) throws(InputError) in
      try TokenizerDefinition(tokenizerJSON: bytes, source: path, files: files)
    }
  }

  /// The tokenizer of a tokenizer.json and of the files beside it.
  package init(
    tokenizerJSON bytes: UnsafeRawBufferPointer, source: String = "tokenizer.json",
    files: TokenizerFolder = TokenizerFolder()
  ) throws(InputError) {
    var reader = TokenizerJSONReader(source: source, fileBytes: bytes.count)
    try reader.read(bytes)
    self = try reader.definition(adding: files.addedTokens())
    try files.apply(to: &self)
  }

  /// The tokenizer of the bytes of a tokenizer.json alone, which does not say what ends a text.
  ///
  /// - Parameters:
  ///   - bytes: the content of the file.
  ///   - source: its name for errors.
  /// - Throws: `InputError` as ``init(folder:)`` does.
  public init(
    tokenizerJSON bytes: [UInt8], source: String = "tokenizer.json"
  ) throws(InputError) {
    try self.init(tokenizerJSON: bytes, source: source, files: TokenizerFolder())
  }

  /// The tokenizer of a tokenizer.json and of the files beside it.
  package init(
    tokenizerJSON bytes: [UInt8], source: String = "tokenizer.json", files: TokenizerFolder
  ) throws(InputError) {
    self = try bytes.withUnsafeBufferPointer { (bytes) throws(InputError) in
      try TokenizerDefinition(
        tokenizerJSON: UnsafeRawBufferPointer(bytes), source: source, files: files)
    }
  }
}
