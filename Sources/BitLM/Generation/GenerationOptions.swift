import BitCore

/// How a text is generated: how tokens are chosen, and when it ends.
public struct GenerationOptions: Sendable, Hashable {
  /// How each token is chosen.
  public var sampling: SamplingOptions
  /// The most tokens to generate; nil for as many as the context holds.
  public var maxTokens: Int?
  /// Strings that end the text. They are not shown, nor is what follows them.
  public var stopStrings: [String]
  /// Tokens that end the text, besides those that the model ends its texts with. They are not
  /// shown.
  public var stopIDs: Set<Int32>
  /// Whether the model may not end its text: its end tokens are never chosen, so that the text
  /// goes on to ``maxTokens`` or to another stop.
  public var ignoresEndOfText: Bool
  /// How many of the most likely tokens to report for each token, beside its own log probability;
  /// nil to report neither.
  public var logProbabilities: Int?
  /// The most tokens to guess ahead from what followed the same words before, and to test with one
  /// evaluation; 0 for none. The text stays the same, whatever the temperature.
  public var draftNGram: Int
  /// How many tokens of the prompt are evaluated at once. The text does not depend on it.
  public var batchSize: Int

  /// Options for generating text; see the properties.
  public init(
    sampling: SamplingOptions = SamplingOptions(), maxTokens: Int? = nil,
    stopStrings: [String] = [], stopIDs: Set<Int32> = [], ignoresEndOfText: Bool = false,
    logProbabilities: Int? = nil, draftNGram: Int = 0, batchSize: Int = 512
  ) {
    self.sampling = sampling
    self.maxTokens = maxTokens
    self.stopStrings = stopStrings
    self.stopIDs = stopIDs
    self.ignoresEndOfText = ignoresEndOfText
    self.logProbabilities = logProbabilities
    self.draftNGram = draftNGram
    self.batchSize = batchSize
  }

  /// Checks that each option is in its range.
  ///
  /// - Throws: `InputError` that names the option.
  public func check() throws(InputError) {
    try sampling.check()
    func require(
      _ holds: Bool, _ option: String, _ found: Int, _ expected: String
    ) throws(InputError) {
      if !holds {
        throw InputError(.malformed, source: option, found: "\(found)", expected: expected)
      }
    }
    try require(maxTokens ?? 0 >= 0, "maximum of tokens", maxTokens ?? 0, "0 or more")
    try require(
      logProbabilities ?? 0 >= 0, "log probabilities", logProbabilities ?? 0, "0 or more")
    // Each drafted token may need a whole vocabulary of logits.
    try require(
      0...64 ~= draftNGram, "n-gram drafts", draftNGram, "between 0 (none) and 64 tokens")
    try require(batchSize > 0, "batch size", batchSize, "1 or more")
    _ = try StopMatcher(strings: stopStrings)
  }
}
