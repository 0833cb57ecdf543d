import BitCore
import BitTokenizers

extension LanguageModel {
  /// The tokenizer, for what needs one.
  ///
  /// - Throws: `InputError` of kind `.missing` if the model came without one.
  public func requiredTokenizer() throws(InputError) -> Tokenizer {
    guard let tokenizer else {
      throw InputError(
        .missing, source: path, found: "no tokenizer",
        expected: "tokenizer.json beside the tensors, or a vocabulary in the metadata of GGUF")
    }
    return tokenizer
  }

  /// The text that follows a prompt.
  ///
  /// - Parameters:
  ///   - prompt: the text to go on from. Names of special tokens in it are these tokens.
  ///   - options: how to choose tokens, and when to end.
  ///   - show: is given each piece of the text as soon as it is there.
  /// - Throws: `InputError` for an option out of its range, a prompt that is empty or, with both
  ///   numbers, as long as the context, and for a model without a tokenizer.
  public func generate(
    prompt: String, options: GenerationOptions = GenerationOptions(),
    show: (GeneratedPiece) -> Void = { _ in }
  ) throws(InputError) -> GenerationResult {
    let ids = try requiredTokenizer().encode(prompt)
    return try generate(ids: ids, options: options, show: show)
  }

  /// The text that follows the tokens of a prompt.
  public func generate(
    ids: [Int32], options: GenerationOptions = GenerationOptions(),
    isCancelled: () -> Bool = { false }, show: (GeneratedPiece) -> Void = { _ in }
  ) throws(InputError) -> GenerationResult {
    var generator = try generator(ids: ids, options: options)
    do {
      return try generator.run(isCancelled: isCancelled, show: show)
    } catch {
      // Weights that are no numbers show themselves in the logits.
      throw error.kind == .notFinite ? error.inside(path) : error
    }
  }

  /// The text that follows a prompt, piece by piece as it is generated, on another thread.
  ///
  /// ```swift
  /// for try await piece in model.stream(prompt: "Once upon a time") {
  ///   print(piece.text, terminator: "")
  /// }
  /// ```
  ///
  /// Generating ends when the stream is no longer read. The stream throws what
  /// ``generate(prompt:options:show:)`` throws.
  public func stream(
    prompt: String, options: GenerationOptions = GenerationOptions()
  ) -> AsyncThrowingStream<GeneratedPiece, any Error> {
    do {
      let ids = try requiredTokenizer().encode(prompt)
      return try generator(ids: ids, options: options).stream()
    } catch {
      return AsyncThrowingStream { $0.finish(throwing: error) }
    }
  }

  /// A generator for the text after some tokens, which may share the beginning of what a cache has.
  package func generator(
    ids: [Int32], cache: TokenCache? = nil, options: GenerationOptions
  ) throws(InputError) -> TokenGenerator {
    guard tokenizer != nil || options.stopStrings.isEmpty else {
      throw InputError(
        .missing, source: path, found: "no tokenizer",
        expected: "one, for strings that end the text")
    }
    let ready = if let cache { cache } else { try TokenCache(self) }
    let decoder: any TokenTextDecoder =
      tokenizer.map { $0.streamingDecoder(skipSpecialTokens: true) } ?? NoText()
    return try TokenGenerator(
      prompt: ids, cache: ready, options: options, decoder: decoder, endIDs: endIDs)
  }

  /// The tokens that end a text: those of the tokenizer and of the configuration.
  package var endIDs: Set<Int32> {
    (tokenizer?.endOfGeneration ?? [])
      .union(configuration.endOfSequence.compactMap { Int32(exactly: $0) })
  }
}

/// Of a model without a tokenizer, tokens have no text.
private struct NoText: TokenTextDecoder {
  mutating func append(_ id: Int32) -> String { "" }
  mutating func finish() -> String { "" }
}
