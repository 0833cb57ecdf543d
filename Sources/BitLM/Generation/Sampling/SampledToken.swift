/// A chosen token.
public struct SampledToken: Sendable, Hashable {
  /// The token's id.
  public let id: Int32
  /// Its log probability, if log probabilities were asked for; see
  /// ``TokenLogProbability/logProbability``.
  public let logProbability: Double?
  /// As many of the most likely tokens as were asked for, the most likely first. The chosen one may
  /// not be among them.
  public let alternatives: [TokenLogProbability]
}
