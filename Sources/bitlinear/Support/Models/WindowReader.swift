import BitCore
import BitLM

/// The logits of a text, some positions at a time, so that those of a long text need not be in
/// memory at once.
struct WindowReader {
  private let ids: [Int32]
  private let sequence: DecoderSequence
  private let rowsAtOnce: Int

  /// The most logits that are in memory at a time.
  private static let mostLogits = 1 << 24

  /// A reader of the logits of a text.
  init(_ model: LanguageModel, _ ids: [Int32]) {
    self.ids = ids
    sequence = DecoderSequence(model)
    rowsAtOnce = max(1, min(512, Self.mostLogits / model.configuration.vocabularySize))
  }

  /// The tokens that were evaluated.
  var position: Int { sequence.count }

  /// Evaluates the tokens before position `end` without giving their logits.
  mutating func skip(to end: Int) throws(InputError) {
    while position < end {
      let tokens = Array(ids[position..<min(end, position + 512)])
      _ = try sequence.model.evaluate([SequenceInput(sequence, tokens, LogitRequest(.none))])
    }
  }

  /// The logits after each of some further tokens; nil when those before position `end` have all
  /// been given.
  mutating func next(upTo end: Int) throws(InputError) -> [[Float]]? {
    guard position < end else { return nil }
    let tokens = Array(ids[position..<min(end, position + rowsAtOnce)])
    let logits = try sequence.model.evaluate(
      [SequenceInput(sequence, tokens, LogitRequest(.all))])[0]
    return logits.map { logits in
      guard case .all(let values) = logits else {
        preconditionFailure("candidates where all logits were asked for")
      }
      return values
    }
  }

  /// Checks tokens before they are evaluated.
  ///
  /// - Throws: ``InputError`` for none, for ids outside the vocabulary and for more than the context
  ///   holds.
  static func check(
    _ ids: [Int32], for model: LanguageModel, source: String
  ) throws(InputError) {
    guard !ids.isEmpty else {
      throw InputError(
        .malformed, source: source, found: "no tokens", expected: "at least one")
    }
    try checkIDs(ids, for: model, source: source)
    guard ids.count <= model.contextLength else {
      throw InputError(
        .mismatch, source: source, found: "\(ids.count) tokens",
        expected: "at most \(model.contextLength), the length of the context")
    }
  }

  /// Checks that ids are of the vocabulary.
  static func checkIDs(
    _ ids: [Int32], for model: LanguageModel, source: String
  ) throws(InputError) {
    let size = model.configuration.vocabularySize
    guard let id = ids.first(where: { !(0..<size ~= Int($0)) }) else { return }
    throw InputError(
      .mismatch, source: source, found: "the id \(id)",
      expected: "ids from 0 to \(size - 1), the model's vocabulary")
  }
}
