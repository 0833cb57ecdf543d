import BitCore
import BitFiles
import BitFormats
import BitTokenizers

extension TokenizerDefinition {
  /// The tokenizer of a model of any kind, or of a tokenizer.json with the files beside it. Of a
  /// model, only the headers of its files are read.
  init(path: String) throws(InputError) {
    if try FileSystem.FileKind(path: path) == .folder {
      try self.init(folder: path)
      return
    }
    if path.utf8.suffix(5).elementsEqual(".json".utf8),
      !path.utf8.suffix(11).elementsEqual(".index.json".utf8)
    {
      let end = path.utf8.lastIndex(of: UInt8(ascii: "/"))
      let folder = end.map { path[..<$0].isEmpty ? "/" : String(path[..<$0]) } ?? "."
      try self.init(
        tokenizerJSON: MappedFile.contents(of: path, limit: 1 << 28), source: path,
        files: TokenizerFolder(folder))
      return
    }
    self = try ModelFile(listing: path).requiredTokenizerDefinition()
  }
}

extension ModelFile {
  /// The tokenizer of the model.
  ///
  /// - Throws: ``InputError`` of kind `.missing` if it comes without one.
  func requiredTokenizerDefinition() throws(InputError) -> TokenizerDefinition {
    guard let definition = try tokenizerDefinition() else {
      throw InputError(
        .missing, source: path, found: "no tokenizer",
        expected: "tokenizer.json beside the tensors, or a vocabulary in the metadata of GGUF")
    }
    return definition
  }
}
