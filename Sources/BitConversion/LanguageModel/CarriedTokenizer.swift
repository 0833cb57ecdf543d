import BitCore
import BitFiles
import BitFormats
import BitTokenizers

/// The tokenizer of a language model on its way between Hugging Face and GGUF, in the words of the
/// target.
enum CarriedTokenizer: Sendable {
  /// The metadata of a GGUF file.
  case metadata(GGUFMetadata)
  /// The files of a folder by their names.
  case files([(name: String, bytes: [UInt8])])

  /// Reads the tokenizer of a model and says it as the target does; nil if the source has none.
  ///
  /// - Parameter warnings: receives what is not carried.
  /// - Throws: `InputError` for a tokenizer that cannot be read or that the target cannot express.
  init?(
    _ source: ModelFile, _ model: DecoderConfiguration, isToGGUF: Bool,
    warnings: inout [String]
  ) throws(InputError) {
    if isToGGUF {
      guard let folder = source.siblingFolder,
        try FileSystem.FileKind(path: "\(folder)/tokenizer.json") == .regular
      else { return nil }
      let definition = try TokenizerDefinition(folder: folder)
      warnings += definition.warnings
      var vocabulary = try definition.ggufVocabulary()
      try Self.check(vocabulary, model, source)
      vocabulary.pad(to: model.vocabularySize)
      for id in vocabulary.setEnds(model.endOfSequence) {
        warnings.append("GGUF has no key for a fourth token that ends a text: \(id)")
      }
      self = .metadata(vocabulary.metadata)
    } else {
      guard let metadata = source.ggufMetadata,
        let vocabulary = try GGUFVocabulary(metadata, source: source.path)
      else { return nil }
      try Self.check(vocabulary, model, source)
      let definition = try TokenizerDefinition(vocabulary, source: source.path)
      warnings += definition.warnings
      self = .files([
        ("tokenizer.json", try definition.tokenizerJSON()),
        ("tokenizer_config.json", definition.tokenizerConfigJSON()),
      ])
    }
  }

  /// Tokens without a row of the embedding could not be run.
  private static func check(
    _ vocabulary: GGUFVocabulary, _ model: DecoderConfiguration, _ source: ModelFile
  ) throws(InputError) {
    guard vocabulary.tokens.count > model.vocabularySize else { return }
    throw InputError(
      .mismatch, source: source.path, found: "\(vocabulary.tokens.count) tokens",
      expected: "at most \(model.vocabularySize), the rows of the embedding")
  }
}
