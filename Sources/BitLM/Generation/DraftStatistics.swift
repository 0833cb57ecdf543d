/// How well guesses of the next tokens did.
public struct DraftStatistics: Sendable, Hashable {
  /// How many tokens were guessed.
  public var drafted = 0
  /// How many of these the model chose too.
  public var accepted = 0
  /// How many guesses, of one token or more, were tested.
  public var tests = 0

  /// The share of the guessed tokens that were right; 0 without any.
  public var acceptance: Double { drafted > 0 ? Double(accepted) / Double(drafted) : 0 }

  /// No guesses.
  public init() {}
}
