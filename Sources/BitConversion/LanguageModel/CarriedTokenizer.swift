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
    guard let definition = try source.tokenizerDefinition() else { return nil }
    // Tokens without a row of the embedding could not be run.
    guard definition.tokens.count <= model.vocabularySize else {
      throw InputError(
        .mismatch, source: source.path, found: "\(definition.tokens.count) tokens",
        expected: "at most \(model.vocabularySize), the rows of the embedding")
    }
    warnings += definition.warnings
    guard isToGGUF else {
      self = .files([
        ("tokenizer.json", try definition.tokenizerJSON()),
        ("tokenizer_config.json", definition.tokenizerConfigJSON()),
      ])
      return
    }
    var vocabulary = try definition.ggufVocabulary()
    vocabulary.pad(to: model.vocabularySize)
    for id in vocabulary.setEnds(model.endOfSequence) {
      warnings.append("GGUF has no key for a fourth token that ends a text: \(id)")
    }
    self = .metadata(vocabulary.metadata)
  }
}
