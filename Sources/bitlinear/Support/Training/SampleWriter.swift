import BitCore
import BitFiles
import BitLM
import BitNN
import BitTokenizers

/// Lets a model that is being trained write a text, as it will run when it is done: the model is
/// saved, loaded as a language model, and removed.
struct SampleWriter {
  /// The tokens that texts begin with.
  let prompt: [Int32]
  /// The number of tokens to write.
  let tokenCount: Int
  let tokenizer: TokenizerDefinition
  /// Where the model is saved for the moment.
  let folder: String
  let seed: UInt64

  /// The text, with its prompt; nil if none is wanted, or if the model reads a single token, after
  /// which it has no place for another.
  func write(_ model: DecoderModel) throws -> String? {
    let context = model.configuration.contextLength
    guard tokenCount > 0, !prompt.isEmpty, context > 1 else { return nil }
    defer { clean() }
    try model.save(toFolder: folder, tokenizer: tokenizer)
    let language = try LanguageModel.load(path: folder)
    let ids = Array(prompt.prefix(max(1, context / 2)))
    let options = GenerationOptions(
      sampling: SamplingOptions(temperature: 0.8, topP: 0.95, seed: seed),
      maxTokens: min(tokenCount, context - ids.count))
    let result = try language.generate(ids: ids, options: options)
    return try language.requiredTokenizer().decode(ids) + result.text
  }

  /// Removes the model, also that of a run which was killed while it wrote.
  func clean() {
    for name in (try? FileSystem.names(in: folder)) ?? [] { unlink("\(folder)/\(name)") }
    rmdir(folder)
  }
}
