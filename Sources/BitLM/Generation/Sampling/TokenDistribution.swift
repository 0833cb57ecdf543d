import BitCore

/// The tokens to choose from, and how likely each is.
struct TokenDistribution {
  /// The tokens, in a fixed order.
  let ids: [Int32]
  /// Their probabilities times ``total``.
  let weights: [Double]
  /// The sum of the weights, added up in order; at least 1.
  let total: Double

  /// Tokens with weights proportional to exp(logit / temperature).
  init(_ entries: [RankedLogit], temperature: Double) {
    ids = entries.map(\.id)
    (weights, total) = Self.softmax(entries, temperature: temperature)
  }

  /// exp((logit - largest logit) / temperature) of each entry, and the sum of these in order.
  static func softmax(
    _ entries: [RankedLogit], temperature: Double = 1
  ) -> (weights: [Double], total: Double) {
    var largest = -Double.infinity
    for entry in entries where entry.logit > largest { largest = entry.logit }
    var total = 0.0
    let weights = entries.map { entry in
      let weight = PortableMath.exp((entry.logit - largest) / temperature)
      total += weight
      return weight
    }
    return (weights, total)
  }

  /// The token at a random number's place: the 53 upper bits of `bits` as a part of the total, the
  /// weights laid end to end.
  func token(at bits: UInt64) -> Int32 {
    let place = Double(bits >> 11) * 0x1p-53 * total
    var sum = 0.0
    // The last token with a weight, should rounding put the place at the very end.
    var chosen = ids[0]
    for (id, weight) in zip(ids, weights) where weight > 0 {
      sum += weight
      chosen = id
      if place < sum { break }
    }
    return chosen
  }
}
