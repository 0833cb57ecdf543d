import BitCore

extension Sampler {
  /// llama.cpp's order: top-k, top-p, min-p, temperature.
  func restrictAsLlamaCpp(_ all: [RankedLogit]) -> TokenDistribution {
    var entries = all
    if options.topK > 0 { entries = RankedLogit.largest(options.topK, of: entries) }
    if options.topP < 1 { entries = nucleus(of: entries) }
    if options.minP > 0 {
      let largest = entries.lazy.map(\.logit).max() ?? 0
      let least = largest + PortableMath.log(options.minP)
      entries.removeAll { $0.logit < least }
    }
    return TokenDistribution(entries, temperature: options.temperature)
  }

  /// The fewest of the first entries by rank whose probabilities add up to top-p.
  private func nucleus(of entries: [RankedLogit]) -> [RankedLogit] {
    let (_, total) = TokenDistribution.softmax(entries)
    // Few of many tokens are enough as a rule: not all of them are sorted at once.
    var count = 256
    while true {
      let ranked = RankedLogit.largest(count, of: entries)
      let weights = TokenDistribution.softmax(ranked).weights
      var sum = 0.0
      for (place, weight) in weights.enumerated() {
        sum += weight
        if sum >= options.topP * total { return Array(ranked[...place]) }
      }
      if ranked.count == entries.count { return ranked }
      count *= 16
    }
  }

  /// The order of Hugging Face transformers: temperature, top-k, top-p, min-p.
  func restrictAsHuggingFace(_ all: [RankedLogit]) -> TokenDistribution {
    var entries = all
    for place in entries.indices { entries[place].logit /= options.temperature }
    if options.topK > 0, options.topK < entries.count {
      let least = RankedLogit.largest(options.topK, of: entries).last?.logit ?? 0
      entries.removeAll { $0.logit < least }
    }
    if options.topP < 1 {
      // The least likely go, as long as what is gone is at most 1 - p; one token stays.
      entries.sort { $0.logit < $1.logit || ($0.logit == $1.logit && $0.id < $1.id) }
      let (weights, total) = TokenDistribution.softmax(entries)
      var removed = 0
      var sum = 0.0
      for weight in weights.dropLast() {
        sum += weight
        guard sum <= (1 - options.topP) * total else { break }
        removed += 1
      }
      entries.removeFirst(removed)
    }
    if options.minP > 0 {
      let largest = entries.lazy.map(\.logit).max() ?? 0
      let least = largest + PortableMath.log(options.minP)
      entries.removeAll { $0.logit < least }
    }
    entries.sort { $0.id < $1.id }
    return TokenDistribution(entries, temperature: 1)
  }
}
