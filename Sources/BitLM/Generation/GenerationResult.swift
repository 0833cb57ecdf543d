/// A generated text, why it ended, and what it took.
public struct GenerationResult: Sendable, Hashable {
  /// Why a text ended. The raw values are those of OpenAI's `finish_reason`, and `cancelled`.
  public enum FinishReason: String, Sendable, Hashable {
    /// The model ended it, or a stop string or stop token did.
    case stop
    /// It has as many tokens as were allowed, or the context is full.
    case length
    /// The caller ended it.
    case cancelled
  }

  /// The text, without what ended it.
  public internal(set) var text = ""
  /// The generated tokens, without one that ended the text; of a stop string, with the tokens that
  /// made it.
  public internal(set) var tokens: [SampledToken] = []
  /// Why the text ended.
  public internal(set) var finishReason = FinishReason.stop
  /// The stop string that ended the text, if one did.
  public internal(set) var stopString: String?
  /// How many tokens the prompt has.
  public internal(set) var promptTokens = 0
  /// How many of these were evaluated before, for an earlier prompt that began alike.
  public internal(set) var cachedTokens = 0
  /// The time to evaluate the rest of the prompt and to choose the first token, in seconds.
  public internal(set) var promptSeconds = 0.0
  /// The time for all tokens after the first, in seconds.
  public internal(set) var generationSeconds = 0.0
  /// How many tokens were chosen after the first, one that ended the text among them.
  public internal(set) var timedTokens = 0
  /// How well n-gram drafts did, if they were asked for.
  public internal(set) var drafts = DraftStatistics()

  /// The ids of the generated tokens.
  public var ids: [Int32] { tokens.map(\.id) }

  /// The prompt's tokens that were evaluated per second; 0 without a measured time.
  public var promptTokensPerSecond: Double {
    promptSeconds > 0 ? Double(promptTokens - cachedTokens) / promptSeconds : 0
  }

  /// The generated tokens per second after the first; 0 if there is none.
  public var generatedTokensPerSecond: Double {
    generationSeconds > 0 ? Double(timedTokens) / generationSeconds : 0
  }
}
