import BitCore
import BitFiles

/// Makes a byte-level vocabulary from texts by byte-pair encoding: it starts with the 256 bytes and
/// joins the most frequent pair of neighbouring tokens until the vocabulary is full (Sennrich, Haddow
/// and Birch, 2016, arXiv 1508.07909).
///
/// ```swift
/// var trainer = BytePairTrainer()
/// try trainer.add(text)
/// let definition = try trainer.train(vocabularySize: 8192)
/// try definition.write(to: "tokenizer")
/// let tokenizer = try Tokenizer(definition)
/// ```
///
/// The result depends on the texts alone, not on their order. Of pairs that are equally frequent the
/// one with the lowest ids is joined, first by the left id, then by the right one. Ids, merges and
/// encoded texts are those of the Python package tokenizers with
///
///     pre_tokenizers.Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])
///     trainers.BpeTrainer(vocab_size=size, min_frequency=2, special_tokens=["<|endoftext|>"],
///                         initial_alphabet=ByteLevel.alphabet())
///
/// which is how SmolLM's vocabulary was made; llama.cpp calls it "smollm". Text is cut before it is
/// counted, so that no token joins a word with the next: a space belongs to the word after it, and
/// each digit stands alone. Where a text has the name of the special token, it is cut as well, since
/// encoding finds that token first.
public struct BytePairTrainer: Sendable {
  /// The sizes that a vocabulary can have: at least the special token and the 256 bytes.
  public static let vocabularySizes = 257...TokenizerLimits.tokens
  /// How often a pair must occur to be joined: what occurs once teaches a model nothing.
  static let minimumFrequency = 2

  private var pieces = PieceCounter()
  private let matcher: AddedTokenMatcher

  /// A trainer without texts.
  public init() {
    let token = AddedToken(id: 0, content: TokenizerDefinition.endOfTextName, isSpecial: true)
    matcher = AddedTokenMatcher([token], texts: [Array(token.content.utf8)])
  }

  /// Counts the words of a text.
  ///
  /// - Throws: `InputError` of kind `.unsupported` if all texts together have more than 1 GiB of
  ///   different words.
  public mutating func add(_ text: String) throws(InputError) {
    var text = text
    var result: Result<Void, InputError> = .success(())
    text.withUTF8 { bytes in
      result = Result { () throws(InputError) in try add(valid: bytes) }
    }
    try result.get()
  }

  private mutating func add(valid bytes: UnsafeBufferPointer<UInt8>) throws(InputError) {
    guard let base = bytes.baseAddress else { return }
    let text = TextPointer(base: base, count: bytes.count)
    var place = 0
    while let match = matcher.next(in: text, from: place, after: place, special: true) {
      try count(text.part(place..<match.start))
      place = match.end
    }
    try count(text.part(place..<text.count))
  }

  /// Counts the pieces of a text, cut as ``TokenizerDefinition/byteLevelSteps`` says.
  private mutating func count(_ text: TextPointer) throws(InputError) {
    var start = 0
    while start < text.count {
      let end = text.end(of: .number, alone: true, start)
      let part = text.part(start..<end)
      let scanner = PatternScanner(part, .gpt2)
      var place = 0
      while place < part.count {
        let end = scanner.endOfGPT2(place)
        try pieces.add(UnsafeRawBufferPointer(start: part.base + place, count: end - place))
        place = end
      }
      start = end
    }
  }

  /// The tokenizer whose vocabulary the texts give.
  ///
  /// - Parameter vocabularySize: the number of tokens, with the 256 bytes and `<|endoftext|>`, whose
  ///   id is 0.
  /// - Throws: `InputError` if there is no text, if the size is none of ``vocabularySizes``, or,
  ///   naming the size that can be had, if the texts have too few pairs that occur twice. The
  ///   vocabulary is never smaller than was asked for.
  public func train(vocabularySize: Int) throws(InputError) -> TokenizerDefinition {
    guard !pieces.counts.isEmpty else {
      throw InputError(
        .malformed, source: Self.source, found: "no text", expected: "text to learn words from")
    }
    guard Self.vocabularySizes.contains(vocabularySize) else {
      throw InputError(
        .mismatch, source: Self.source, found: "a size of \(vocabularySize)",
        expected: "\(Self.vocabularySizes.lowerBound), for the special token and the 256 bytes, to "
          + "\(Self.vocabularySizes.upperBound)")
    }
    var tokens = TokenTable()
    var byteTokens = [Int32](repeating: 0, count: 256)
    tokens.append([])
    // The order of their stand-ins is that of GPT-2's vocabulary.
    for byte in ByteAlphabet.order {
      byteTokens[Int(byte)] = Int32(tokens.count)
      tokens.append([byte])
    }
    var learner = PairLearner(pieces, tokens: tokens, byteTokens: byteTokens)
    learner.learn(vocabularySize, minimum: Self.minimumFrequency)
    guard learner.tokens.count == vocabularySize else {
      throw InputError(
        .mismatch, source: Self.source,
        found: "a size of \(vocabularySize), for which the texts have too few words",
        expected: "at most \(learner.tokens.count)")
    }
    return .byteLevel(learner.tokens, merges: learner.merges, endOfText: 0)
  }

  private static let source = "vocabulary"
}
