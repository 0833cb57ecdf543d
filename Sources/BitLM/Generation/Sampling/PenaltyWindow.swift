/// The last tokens of a text, and how often each occurs among them.
struct PenaltyWindow: Sendable {
  /// How many tokens it holds at most.
  let capacity: Int
  /// How often each token occurs.
  private(set) var counts: [Int32: Int] = [:]
  // A ring: the next token replaces the one at `oldest` once there are `capacity` of them.
  private var tokens: [Int32] = []
  private var oldest = 0

  init(capacity: Int) {
    precondition(capacity >= 0, "a window of \(capacity) tokens")
    self.capacity = capacity
  }

  mutating func append(_ id: Int32) {
    guard capacity > 0 else { return }
    counts[id, default: 0] += 1
    guard tokens.count == capacity else {
      tokens.append(id)
      return
    }
    let leaving = tokens[oldest]
    tokens[oldest] = id
    oldest = oldest + 1 == capacity ? 0 : oldest + 1
    let count = counts[leaving, default: 0]
    counts[leaving] = count > 1 ? count - 1 : nil
  }
}
