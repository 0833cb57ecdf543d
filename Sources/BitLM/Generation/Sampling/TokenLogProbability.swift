/// A token with its log probability.
public struct TokenLogProbability: Sendable, Hashable {
  /// The token's id.
  public let id: Int32
  /// The natural logarithm of its probability in the model's own distribution: logit minus the
  /// logarithm of the sum of all exp(logit), with temperature 1, no penalties and no bias.
  public let logProbability: Double
}
