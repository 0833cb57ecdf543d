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
    let (weights, total) = TokenDistribution.softmax(entries)
    // What is left out may have a weight of (1 - p) * total. All that are lighter than this over
    // their number are left out for certain, and need not be sorted; half of it allows for
    // rounding.
    let least = (1 - options.topP) * total / Double(entries.count) / 2
    let heavy = zip(entries, weights).filter { $0.1 >= least }
      .sorted { $0.0.precedes($1.0) }
    var sum = 0.0
    for (place, (_, weight)) in heavy.enumerated() {
      sum += weight
      if sum >= options.topP * total { return heavy[...place].map(\.0) }
    }
    return RankedLogit.largest(entries.count, of: entries)
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
