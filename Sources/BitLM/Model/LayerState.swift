import BitCore

/// What a layer keeps of the tokens of a text that it has seen.
///
/// Each kind of layer has a state of its own: attention keeps keys and values of every position, a
/// recurrent layer something that does not grow.
protocol LayerState: Sendable {
  /// Bytes in memory.
  var byteCount: Int { get }
  /// The number of tokens.
  var count: Int { get }
  /// Forgets the tokens after the first `count`, or more if it cannot go back to there.
  ///
  /// - Returns: how many are left, at most `count`.
  mutating func truncate(to count: Int) -> Int
}

/// The state of attention.
struct AttentionState: LayerState {
  var cache: KeyValueCache

  var byteCount: Int { cache.byteCount }
  var count: Int { cache.count }

  mutating func truncate(to count: Int) -> Int {
    cache.truncate(to: count)
    return count
  }
}
