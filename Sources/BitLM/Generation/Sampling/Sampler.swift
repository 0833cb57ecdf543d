import BitCore

/// Chooses tokens from logits, one after another.
///
/// All arithmetic is in Double and in a fixed order (``PortableMath``): the same logits give the
/// same tokens on every platform, whether the model gives all of them or only those that the
/// ``request(drafted:)`` names.
package struct Sampler: Sendable {
  /// How tokens are chosen.
  package let options: SamplingOptions
  /// How many alternatives to give with each token, along with its log probability; nil for
  /// neither.
  package let alternatives: Int?
  /// How many tokens there are.
  package let vocabularySize: Int
  private var generator: SeededGenerator
  private var window: PenaltyWindow

  /// A sampler for a model with `vocabularySize` tokens; see the properties.
  ///
  /// - Throws: `InputError` if an option is out of its range, or a bias is for an id that the
  ///   vocabulary lacks.
  package init(
    _ options: SamplingOptions, vocabularySize: Int, alternatives: Int? = nil
  ) throws(InputError) {
    try options.check()
    if let id = options.logitBias.keys.max(), id >= vocabularySize {
      throw InputError(
        .mismatch, source: "logit bias", found: "id \(id)",
        expected: "ids below \(vocabularySize), the size of the vocabulary")
    }
    if let alternatives, alternatives < 0 {
      throw InputError(
        .malformed, source: "log probabilities", found: "\(alternatives) alternatives",
        expected: "0 or more")
    }
    self.options = options
    self.alternatives = alternatives
    self.vocabularySize = vocabularySize
    generator = SeededGenerator(seed: options.seed)
    window = PenaltyWindow(capacity: options.hasPenalties ? options.penaltyWindow : 0)
  }

  /// Takes notice of a token that was not sampled, such as the prompt's: penalties see it.
  package mutating func accept(_ id: Int32) { window.append(id) }

  /// Which logits ``sample(_:)`` needs for the next token, and for those after each of the
  /// `drafted` tokens, should these be chosen.
  ///
  /// Bias and penalties change the logits of few tokens, all of which must be given. The others
  /// keep their rank among themselves: the k that come first among them are among the first k + t
  /// of all, where t is the number of tokens that can lose their rank (one that only rises is
  /// before the others in its new place if it was in its old one).
  package func request(drafted: [Int32] = []) -> LogitRequest.Selection {
    guard alternatives == nil, let count = options.candidatesNeeded else { return .all }
    var changed: Set<Int32> = []
    var falling: Set<Int32> = []
    if options.hasPenalties {
      changed.formUnion(window.counts.keys)
      changed.formUnion(drafted)
      if options.hasLoweringPenalties { falling = changed }
    }
    for (id, bias) in options.logitBias where bias != 0 {
      changed.insert(id)
      if bias < 0 { falling.insert(id) }
    }
    let needed = min(count, vocabularySize) + falling.count
    return .candidates(count: min(needed, vocabularySize), ids: changed.sorted())
  }

  /// Chooses a token and takes notice of it.
  ///
  /// - Throws: `InputError` of kind `.notFinite` if a logit is NaN or infinite, or if all are
  ///   minus infinity, so that there is nothing to choose.
  package mutating func sample(_ logits: TokenLogits) throws(InputError) -> SampledToken {
    let raw = try entries(of: logits)
    let restricted = try restrict(raw)
    let id =
      options.temperature == 0
      ? restricted.ids[0] : restricted.token(at: generator.next())
    window.append(id)
    guard let alternatives else {
      return SampledToken(id: id, logProbability: nil, alternatives: [])
    }
    return describe(id, raw, alternatives)
  }

  /// The tokens that can be chosen next, with their probabilities.
  func distribution(of logits: TokenLogits) throws(InputError) -> TokenDistribution {
    try restrict(entries(of: logits))
  }

  private func restrict(_ raw: [RankedLogit]) throws(InputError) -> TokenDistribution {
    var entries = raw
    adjust(&entries)
    entries.removeAll { $0.logit == -.infinity }
    guard !entries.isEmpty else {
      throw InputError(
        .notFinite, source: "logits", found: "-infinity for every token",
        expected: "a token to choose")
    }
    guard options.temperature > 0 else {
      return TokenDistribution(RankedLogit.largest(1, of: entries), temperature: 1)
    }
    return switch options.order {
    case .llamaCpp: restrictAsLlamaCpp(entries)
    case .huggingFace: restrictAsHuggingFace(entries)
    }
  }

  /// Adds bias and penalties.
  private func adjust(_ entries: inout [RankedLogit]) {
    // Entries are in the order of ids, from 0 if they are all there.
    let isWhole = entries.count == vocabularySize
    func index(of id: Int32) -> Int {
      if isWhole { return Int(id) }
      var range = 0..<entries.count
      while !range.isEmpty {
        let middle = (range.lowerBound + range.upperBound) / 2
        if entries[middle].id == id { return middle }
        range =
          entries[middle].id < id ? middle + 1..<range.upperBound : range.lowerBound..<middle
      }
      preconditionFailure("the logit of token \(id) was asked for and is missing")
    }
    for (id, bias) in options.logitBias where bias != 0 {
      entries[index(of: id)].logit += Double(bias)
    }
    guard options.hasPenalties else { return }
    for (id, count) in window.counts {
      let place = index(of: id)
      var logit = entries[place].logit
      logit = logit > 0 ? logit / options.repetitionPenalty : logit * options.repetitionPenalty
      logit -= Double(count) * options.frequencyPenalty + options.presencePenalty
      entries[place].logit = logit
    }
  }

  /// Logits in the order of ids, each once: all that are given, or only those that matter.
  private func entries(of logits: TokenLogits) throws(InputError) -> [RankedLogit] {
    var entries: [RankedLogit]
    let request = request()
    switch (logits, request) {
    case (.all(let values), _):
      precondition(
        values.count == vocabularySize,
        "\(values.count) logits for a vocabulary of \(vocabularySize)")
      if let bad = values.firstIndex(where: { !($0 < .infinity) }) {
        throw Self.noNumber(Double(values[bad]), id: Int32(bad))
      }
      guard case .candidates(let count, let ids) = request else {
        return values.enumerated().map { RankedLogit(id: Int32($0), logit: Double($1)) }
      }
      entries = RankedLogit.largest(count, of: values)
      entries += ids.map { RankedLogit(id: $0, logit: Double(values[Int($0)])) }
    case (.candidates(let candidates), .candidates):
      entries = candidates.map { RankedLogit(id: $0.id, logit: Double($0.logit)) }
    case (.candidates(let candidates), .all):
      preconditionFailure("\(candidates.count) candidates where all logits are needed")
    }
    entries.sort { $0.id < $1.id }
    entries = unique(entries)
    if case .candidates(let count, _) = request {
      precondition(
        entries.count >= count, "\(entries.count) candidates where \(count) are needed")
    }
    for entry in entries where !(entry.logit < .infinity) {
      throw Self.noNumber(entry.logit, id: entry.id)
    }
    return entries
  }

  private static func noNumber(_ logit: Double, id: Int32) -> InputError {
    InputError(
      .notFinite, source: "logits", found: "\(logit) for token \(id)",
      expected: "numbers, which a model with finite weights gives")
  }

  private func unique(_ entries: [RankedLogit]) -> [RankedLogit] {
    var unique: [RankedLogit] = []
    unique.reserveCapacity(entries.count)
    for entry in entries where entry.id != unique.last?.id { unique.append(entry) }
    return unique
  }

  /// A token with its log probability and alternatives.
  private func describe(_ id: Int32, _ raw: [RankedLogit], _ count: Int) -> SampledToken {
    let first = RankedLogit.largest(max(count, 1), of: raw)
    let (_, total) = TokenDistribution.softmax(raw)
    let offset = first[0].logit + PortableMath.log(total)
    let alternatives = first.prefix(count).map {
      TokenLogProbability(id: $0.id, logProbability: $0.logit - offset)
    }
    return SampledToken(
      id: id, logProbability: raw[Int(id)].logit - offset, alternatives: alternatives)
  }
}
