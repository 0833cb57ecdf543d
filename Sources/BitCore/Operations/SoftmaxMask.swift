/// What a row of a softmax sees.
public enum SoftmaxMask: Sendable {
  /// Everything.
  case none
  /// For `[..., queries, keys]`, where the queries are the last positions of the keys: query `i`
  /// sees the first `keys - queries + i + 1` keys.
  case causal
  /// A tensor that is added, whose shape broadcasts to that of the values: 0 for what is seen and
  /// -infinity for what is not. It has no gradient; add a learned bias to the values instead.
  case additive(Tensor)
}
