import BitCore

/// A model's sequence together with the ids of its tokens, so that a later prompt can go on from
/// what it has in common with them.
///
/// Copies share the sequence: use one of them only.
package struct TokenCache: Sendable {
  /// The model of the sequence.
  package let model: any TokenModel
  /// The tokens that the model has evaluated.
  package private(set) var ids: [Int32] = []
  private let sequence: any TokenSequence

  /// An empty cache.
  package init(_ model: any TokenModel) throws(InputError) {
    self.model = model
    sequence = try model.makeSequence()
  }

  /// Bytes in memory of what the model keeps of the tokens; 0 if it does not say.
  package var byteCount: Int { (sequence as? DecoderSequence)?.byteCount ?? 0 }

  /// Evaluates further tokens; see ``TokenSequence/evaluate(_:_:)``. After an error, the cache is
  /// as if it had not been called.
  package mutating func evaluate(
    _ tokens: [Int32], _ request: LogitRequest
  ) throws(InputError) -> [TokenLogits] {
    precondition(
      sequence.count == ids.count,
      "a sequence of \(sequence.count) tokens, whose cache has \(ids.count)")
    precondition(
      !tokens.isEmpty && tokens.count <= model.contextLength - ids.count,
      "\(tokens.count) tokens to evaluate after \(ids.count) of \(model.contextLength)")
    let logits: [TokenLogits]
    do {
      logits = try sequence.evaluate(tokens, request)
    } catch {
      ids = Array(ids.prefix(sequence.truncate(to: ids.count)))
      throw error
    }
    let expected =
      switch request.positions {
      case .none: 0
      case .last: 1
      case .all: tokens.count
      }
    precondition(
      logits.count == expected, "logits of \(logits.count) positions, expected \(expected)")
    ids += tokens
    return logits
  }

  /// Keeps the tokens that the cache has in common with the beginning of a prompt, except the
  /// prompt's last one, whose logits are wanted; fewer if the model cannot go back to there.
  ///
  /// - Returns: How many of the prompt's tokens need not be evaluated.
  package mutating func keepPrefix(of prompt: [Int32]) -> Int {
    let common = zip(ids, prompt.dropLast()).prefix { $0 == $1 }.count
    if common < ids.count { ids = Array(ids.prefix(sequence.truncate(to: common))) }
    return ids.count
  }

  /// Forgets the tokens after the first `count`.
  package mutating func truncate(to count: Int) throws(InputError) {
    precondition(0...ids.count ~= count, "\(count) of \(ids.count) tokens to keep")
    guard count < ids.count else { return }
    let lost = ids[sequence.truncate(to: count)..<count]
    ids = Array(ids.prefix(count - lost.count))
    if !lost.isEmpty { _ = try evaluate(Array(lost), LogitRequest(.none)) }
  }
}
