import BitCore
import BitFiles
import Synchronization

/// Turns text into the ids of tokens and back, as the library tokenizers does for the same file.
///
/// Copies share their tables, and any number of threads may use them.
///
/// ```swift
/// let tokenizer = try Tokenizer(folder: "SmolLM2")
/// let ids = try tokenizer.encode("Once upon a time")
/// let text = tokenizer.decode(ids)
/// ```
public struct Tokenizer: Sendable {
  /// What it was made from.
  public let definition: TokenizerDefinition
  /// The ids after which a model has said what it had to say: the end of the text by the model's
  /// files, and tokens that are known to end a turn by their names.
  public let endOfGeneration: Set<Int32>
  private let shared: Shared

  /// What copies share.
  private final class Shared: Sendable {
    let encoding: EncodingPlan
    let decoding: DecodingPlan
    let special: Set<Int32>
    /// Encoders that are not in use.
    private let encoders = Mutex<[Encoder]>([])

    init(_ definition: TokenizerDefinition) throws(InputError) {
      let bytes = definition.tokenBytes()
      encoding = try EncodingPlan(definition, bytes: bytes)
      decoding = try DecodingPlan(definition, bytes: bytes)
      special = definition.specialIDs
    }

    func encode(_ text: TextPointer, special: Bool) throws(InputError) -> [Int32] {
      let encoder = encoders.withLock { $0.popLast() } ?? Encoder(encoding)
      defer {
        encoder.ids = []
        let idle = UncheckedEncoder(encoder: encoder)
        encoders.withLock { if $0.count < 8 { $0.append(idle.encoder) } }
      }
      try encoder.encode(text, special: special)
      return encoder.ids
    }
  }

  /// Carries an encoder that nobody else has into a lock.
  private struct UncheckedEncoder: @unchecked Sendable {
    let encoder: Encoder
  }

  /// The tokenizer of a definition.
  ///
  /// - Throws: `InputError` of kind `.unsupported` if it combines steps in a way that is not
  ///   known; `.mismatch` or `.malformed` if its parts contradict each other.
  public init(_ definition: TokenizerDefinition) throws(InputError) {
    self.definition = definition
    endOfGeneration = definition.endOfGeneration()
    shared = try Shared(definition)
  }

  /// The tokenizer of a Hugging Face folder; see ``TokenizerDefinition/init(folder:)``.
  public init(folder: String) throws(InputError) {
    try self.init(TokenizerDefinition(folder: folder))
  }

  /// One more than the highest id. A model may have more, which stand for nothing.
  public var vocabularySize: Int { definition.tokens.count }

  /// The token that begins a text, if there is one.
  public var beginOfText: Int32? { definition.beginOfText }

  /// The tokens that end a text, the main one first.
  public var endOfText: [Int32] { definition.endOfText }

  /// The token that fills up shorter texts of a batch, if there is one.
  public var padding: Int32? { definition.padding }

  /// Whether generating ends with this token.
  public func isEndOfGeneration(_ id: Int32) -> Bool { endOfGeneration.contains(id) }

  /// Whether a token stands for something other than text, such as the end of a turn.
  public func isSpecial(_ id: Int32) -> Bool { shared.special.contains(id) }
}

extension Tokenizer {
  /// The ids of a text.
  ///
  /// - Parameters:
  ///   - text: the text.
  ///   - addSpecialTokens: whether to put the tokens around it that the tokenizer asks for, such as
  ///     the one that begins a text. A chat template puts them into its text itself.
  ///   - parseSpecial: whether special tokens are recognised in the text; if not, their names are
  ///     text like any other. Use false for text that comes from a user.
  /// - Throws: `InputError` if the vocabulary has no token for a character.
  public func encode(
    _ text: String, addSpecialTokens: Bool = true, parseSpecial: Bool = true
  ) throws(InputError) -> [Int32] {
    var text = text
    var result: Result<[Int32], InputError> = .success([])
    text.withUTF8 { bytes in
      result = Result { () throws(InputError) in
        try encode(valid: bytes, addSpecialTokens, parseSpecial)
      }
    }
    return try result.get()
  }

  /// The ids of a text in UTF-8.
  ///
  /// - Throws: `InputError` if it is not UTF-8, or as the method for strings does.
  public func encode(
    utf8 text: [UInt8], addSpecialTokens: Bool = true, parseSpecial: Bool = true
  ) throws(InputError) -> [Int32] {
    try text.withUnsafeBufferPointer { (bytes) throws(InputError) in
      guard UTF8Check.isValid(UnsafeRawBufferPointer(bytes)) else {
        throw InputError(
          .malformed, source: "text", found: "bytes that are not UTF-8", expected: "UTF-8")
      }
      return try encode(valid: bytes, addSpecialTokens, parseSpecial)
    }
  }

  private func encode(
    valid text: UnsafeBufferPointer<UInt8>, _ addSpecialTokens: Bool, _ parseSpecial: Bool
  ) throws(InputError) -> [Int32] {
    guard text.count <= Int(Int32.max) / 4 else {
      throw InputError(
        .unsupported, source: "text", found: "\(text.count) bytes",
        expected: "at most \(Int(Int32.max) / 4)")
    }
    var ids: [Int32] = []
    if let base = text.baseAddress, text.count > 0 {
      ids = try shared.encode(TextPointer(base: base, count: text.count), special: parseSpecial)
    }
    guard addSpecialTokens else { return ids }
    let around = shared.encoding.around
    if around.before.isEmpty && around.after.isEmpty { return ids }
    return around.before + ids + around.after
  }

  /// The text of ids. Bytes that are no UTF-8 become U+FFFD, ids without a token nothing.
  public func decode(_ ids: some Sequence<Int32>, skipSpecialTokens: Bool = false) -> String {
    var bytes: [UInt8] = []
    var state = decodingState()
    for id in ids where !(skipSpecialTokens && isSpecial(id)) { append(id, to: &bytes, &state) }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// A decoder for ids that come one by one.
  public func streamingDecoder(skipSpecialTokens: Bool = false) -> StreamingDecoder {
    StreamingDecoder(self, skipsSpecialTokens: skipSpecialTokens)
  }

  /// The bytes that a token adds to a text in which it is not the first; none if there is no such
  /// id.
  public func bytes(of id: Int32) -> [UInt8] {
    guard id >= 0, Int(id) < vocabularySize else { return [] }
    return Array(shared.decoding.pieces[Int(id)])
  }

  /// The name of a token in the vocabulary, or nil if there is no such id.
  public func name(of id: Int32) -> String? {
    guard id >= 0, Int(id) < vocabularySize, !definition.tokens[Int(id)].isEmpty else { return nil }
    return definition.tokens.text(Int(id))
  }

  /// The id of a token by its name in the vocabulary. Goes through all of them.
  public func id(ofName name: String) -> Int32? { definition.tokens.firstID(of: name.utf8) }

  func decodingState() -> DecodingPlan.State { DecodingPlan.State(shared.decoding.start) }

  func append(_ id: Int32, to bytes: inout [UInt8], _ state: inout DecodingPlan.State) {
    state.append(id, shared.decoding, to: &bytes)
  }
}
