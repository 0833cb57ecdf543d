import BitCore

/// What generating needs of a language model: how many tokens it knows, how far it sees, and
/// sequences of tokens that grow at their end.
package protocol TokenModel: AnyObject, Sendable {
  /// How many tokens there are: ids are from 0 to below this.
  var vocabularySize: Int { get }
  /// How many tokens a sequence can have.
  var contextLength: Int { get }
  /// A new sequence without tokens.
  func makeSequence() throws(InputError) -> any TokenSequence
}

/// Tokens that a model has evaluated, and what it keeps of them (keys and values, for example).
///
/// The logits depend on the tokens alone: neither on how these were cut into calls nor on what was
/// evaluated and truncated between. It is used by one caller at a time.
package protocol TokenSequence: AnyObject, Sendable {
  /// How many tokens were evaluated and not truncated.
  var count: Int { get }

  /// Evaluates further tokens.
  ///
  /// - Parameters:
  ///   - tokens: One token or more, with ids of the vocabulary; the sequence does not become longer
  ///     than the model's context.
  ///   - request: Which logits to give.
  /// - Returns: The logits of the token that follows, for none of the tokens, the last, or each in
  ///   order. They may be all logits where only candidates are asked for.
  /// - Throws: `InputError`; then some of the tokens may have been added.
  func evaluate(_ tokens: [Int32], _ request: LogitRequest) throws(InputError) -> [TokenLogits]

  /// Forgets the tokens after the first `count`, and more if the model cannot go back to just any
  /// place: to 0 at worst.
  ///
  /// - Parameter count: At most the tokens that there are.
  /// - Returns: How many tokens are left, at most `count`. The caller evaluates the missing ones
  ///   again.
  func truncate(to count: Int) -> Int
}
