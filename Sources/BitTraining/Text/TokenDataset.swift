import BitCore
import BitFiles
import BitTokenizers

/// Documents as the tokens of a tokenizer, one document after the other.
///
/// ```swift
/// let corpus = try TextCorpus(paths: ["novels"])
/// let tokens = try TokenDataset(corpus, tokenizer: tokenizer)
/// let (training, validation) = try tokens.split(validationShare: 0.05, seed: 0)
/// let windows = try TokenWindows(training, length: 256, seed: 0)
/// ```
public struct TokenDataset: Sendable {
  /// What messages call it.
  public let name: String
  /// Each token: its id, or the complement of its id if it is read but not learned.
  let codes: [Int32]
  /// Where each document begins.
  let documentStarts: [Int]
  let lengths: TokenLengths

  /// The tokens of documents.
  ///
  /// After each document stands the token that ends a text, unless a chat template has made the
  /// document and ended it. Names of special tokens in a text are these tokens, as for transformers.
  /// The tokens are the same for any number of threads.
  ///
  /// - Parameters:
  ///   - corpus: the documents.
  ///   - tokenizer: what cuts them into tokens; of its chat template, conversations are made.
  ///   - masksPrompts: whether prompts and all but the last answer of a conversation are read but not
  ///     learned. Texts are always learned whole.
  /// - Throws: `InputError` that names the document which cannot be read or encoded, the first of
  ///   several; or one if there is nothing to learn, or the tokenizer has no token that ends a text.
  public init(
    _ corpus: TextCorpus, tokenizer: Tokenizer, masksPrompts: Bool = false
  ) throws(InputError) {
    let encoder = try DocumentEncoder(tokenizer, masksPrompts: masksPrompts)
    var (codes, starts): ([Int32], [Int]) = ([], [])
    // Some at a time, so that there are not two copies of all tokens.
    var first = 0
    while first < corpus.count {
      let range = first..<min(first + 1024, corpus.count)
      for result in Self.encode(corpus, range, encoder) {
        let document = try result.get()
        guard !document.ids.isEmpty else { continue }
        guard codes.count + document.ids.count <= TextLimits.tokens else {
          throw InputError(
            .unsupported, source: corpus.name, found: "more tokens",
            expected: "at most \(TextLimits.tokens)")
        }
        starts.append(codes.count)
        codes += document.ids[..<document.promptCount].lazy.map { ~$0 }
        codes += document.ids[document.promptCount...]
      }
      first = range.upperBound
    }
    try self.init(
      name: corpus.name, codes: codes, documentStarts: starts, lengths: TokenLengths(tokenizer))
  }

  private init(
    name: String, codes: [Int32], documentStarts: [Int], lengths: TokenLengths
  ) throws(InputError) {
    guard codes.contains(where: { $0 >= 0 }) else {
      throw InputError(
        .malformed, source: name, found: "no text to learn", expected: "at least one token")
    }
    self.name = name
    self.codes = codes
    self.documentStarts = documentStarts
    self.lengths = lengths
  }

  /// The documents of a range, each on one of the threads.
  private static func encode(
    _ corpus: TextCorpus, _ range: Range<Int>, _ encoder: DocumentEncoder
  ) -> [Result<DocumentEncoder.Encoded, InputError>] {
    typealias Encoded = Result<DocumentEncoder.Encoded, InputError>
    return [Encoded](unsafeUninitializedCapacity: range.count) { results, count in
      let base = UncheckedResults(base: results.baseAddress)
      ThreadPool.shared.parallelFor(range.count) { part in
        for place in part {
          let result = Result { () throws(InputError) in
            try encoder.encode(corpus.document(at: range.lowerBound + place))
          }
          if let base = base.base { (base + place).initialize(to: result) }
        }
      }
      count = range.count
    }
  }

  /// Carries the memory of results to threads, each of which writes places of its own.
  private struct UncheckedResults: @unchecked Sendable {
    let base: UnsafeMutablePointer<Result<DocumentEncoder.Encoded, InputError>>?
  }
}

extension TokenDataset {
  /// The number of tokens.
  public var count: Int { codes.count }

  /// The number of documents.
  public var documentCount: Int { documentStarts.count }

  /// One more than the highest id that the tokenizer has; what a model's vocabulary must hold.
  public var vocabularySize: Int { lengths.vocabularySize }

  /// The ids of a range of tokens.
  public func ids(_ range: Range<Int>) -> [Int32] { codes[range].map { $0 < 0 ? ~$0 : $0 } }

  /// How much text there is, with what is not learned.
  public var size: TextSize { lengths.size(of: codes.lazy.map { $0 < 0 ? ~$0 : $0 }) }

  /// How much of it is learned.
  public var learnedSize: TextSize { lengths.size(of: codes) }

  /// A checksum over the tokens, what of them is learned, and where documents begin, in hexadecimal
  /// digits.
  public var checksum: String {
    var checksum = Checksum()
    codes.withUnsafeBytes { checksum.add($0) }
    documentStarts.withUnsafeBytes { checksum.add($0) }
    return checksum.text
  }

  /// What it is, on one line, such as "novels: 6 documents, 1021345 tokens, 4031822 characters".
  public var summary: String {
    let (size, learned) = (size, learnedSize)
    func counted(_ count: Int, _ thing: String) -> String {
      "\(count) \(thing)\(count == 1 ? "" : "s")"
    }
    return "\(name): \(counted(documentCount, "document")), \(counted(size.tokens, "token"))"
      + (learned.tokens < size.tokens ? " of which \(learned.tokens) are learned" : "")
      + ", \(counted(size.characters, "character"))"
  }
}

extension TokenDataset {
  /// Parts the tokens into those to train with and those to validate with, which share none.
  ///
  /// Whole documents are taken for validation, in an order that the seed gives, as long as all of
  /// them together have at most the share of the tokens. If that is less than half of the share, since
  /// documents are few and long, it is the end of all tokens instead: whole documents from the last
  /// one on, and the end of the one before them.
  ///
  /// - Parameters:
  ///   - share: the share of the tokens to validate with, more than 0 and at most 0.5.
  ///   - seed: what determines the documents.
  /// - Throws: `InputError` if the share is out of range, or leaves one of the two sides without
  ///   anything to learn.
  public func split(
    validationShare share: Double, seed: UInt64
  ) throws(InputError) -> (training: TokenDataset, validation: TokenDataset) {
    guard share > 0, share <= 0.5 else {
      throw InputError(
        .mismatch, source: name, found: "a validation share of \(share)",
        expected: "more than 0 and at most 0.5")
    }
    let target = Int((share * Double(count)).rounded())
    let ranges = zip(documentStarts, documentStarts.dropFirst() + [count]).map { $0..<$1 }
    var isChosen = [Bool](repeating: false, count: ranges.count)
    var chosen = 0
    var generator = SeededGenerator(seed: seed, stream: TextStreams.split)
    for index in generator.permutation(ranges.count)
    where chosen + ranges[index].count <= target {
      isChosen[index] = true
      chosen += ranges[index].count
    }
    if chosen * 2 >= target, chosen > 0 {
      return (
        try taking(ranges.indices.filter { !isChosen[$0] }.map { ranges[$0] }, "training"),
        try taking(ranges.indices.filter { isChosen[$0] }.map { ranges[$0] }, "validation")
      )
    }
    let cut = count - target
    return (
      try taking(ranges.compactMap { Self.part($0, 0..<cut) }, "training"),
      try taking(ranges.compactMap { Self.part($0, cut..<count) }, "validation")
    )
  }

  private static func part(_ range: Range<Int>, _ whole: Range<Int>) -> Range<Int>? {
    let part = range.clamped(to: whole)
    return part.isEmpty ? nil : part
  }

  /// The tokens of ranges, each a document.
  private func taking(_ ranges: [Range<Int>], _ role: String) throws(InputError) -> TokenDataset {
    var (taken, starts): ([Int32], [Int]) = ([], [])
    taken.reserveCapacity(ranges.reduce(0) { $0 + $1.count })
    for range in ranges {
      starts.append(taken.count)
      taken += codes[range]
    }
    return try TokenDataset(
      name: "\(name) (\(role))", codes: taken, documentStarts: starts, lengths: lengths)
  }
}

/// Streams of random numbers, so that none is used for two purposes.
enum TextStreams {
  /// Which documents are for validation.
  static let split: UInt64 = 0x7465_7874_0000_0000
  /// The order of the windows of an epoch; its number is added.
  static let epochs: UInt64 = 0x7769_6e64_0000_0000
}
