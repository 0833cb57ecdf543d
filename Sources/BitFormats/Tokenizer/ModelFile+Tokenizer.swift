import BitCore
import BitFiles
import BitTokenizers

extension ModelFile {
  /// The tokenizer of the model, and its chat template: from the metadata of a GGUF file, or from
  /// tokenizer.json and the files beside the tensors.
  ///
  /// - Returns: nil if the model comes without one.
  /// - Throws: `InputError` that names the file or the key for a tokenizer that cannot be read or that
  ///   works in a way that is not supported.
  public func tokenizerDefinition() throws(InputError) -> TokenizerDefinition? {
    if let metadata = ggufMetadata {
      return try GGUFVocabulary(metadata, source: path).map { (vocabulary) throws(InputError) in
        try TokenizerDefinition(vocabulary, source: path)
      }
    }
    guard let folder = siblingFolder,
      try FileSystem.FileKind(path: "\(folder)/tokenizer.json") != nil
    else { return nil }
    return try TokenizerDefinition(folder: folder)
  }
}
