import BitCore
import BitFiles

/// The merges of a vocabulary with scores: every way to make a token of two others.
struct ScoredMerges {
  /// All merges, those of the highest scores first.
  private(set) var merges: [Merge] = []
  /// The rank of each merge, equal for equal scores.
  private(set) var ranks: [UInt32] = []
  /// Tokens that have the same score as others.
  private(set) var tied: Set<Int32> = []

  init(_ definition: TokenizerDefinition, _ scores: [Float]) throws(InputError) {
    let tokens = definition.tokens
    guard scores.count == tokens.count else {
      throw InputError(
        .mismatch, source: definition.source, found: "\(scores.count) scores",
        expected: "\(tokens.count), one for each token")
    }
    var excluded = definition.specialIDs
    excluded.formUnion(definition.fallbackTokens())
    func isMember(_ id: Int) -> Bool {
      definition.modelTokens.contains(id) && !excluded.contains(Int32(id))
    }
    let index = TokenIndex(tokens, isMember: isMember, onDuplicate: { _, _ in })
    for id in 0..<tokens.count where isMember(id) {
      guard !scores[id].isNaN else {
        throw InputError(
          .malformed, source: definition.source,
          found: "NaN as the score of \(ErrorText.quoted(tokens.text(id)))", expected: "a number")
      }
      try append(id, tokens, index, definition.source)
    }
    sort(scores)
  }

  private mutating func append(
    _ id: Int, _ tokens: TokenTable, _ index: TokenIndex, _ source: String
  ) throws(InputError) {
    let size = tokens.range(id).count
    guard size <= TokenizerLimits.scoredTokenBytes else {
      throw InputError(
        .unsupported, source: source, found: "a token of \(size) bytes with a score",
        expected: "at most \(TokenizerLimits.scoredTokenBytes)")
    }
    tokens.withBytes(of: id) { bytes in
      for place in 1..<max(1, bytes.count) where bytes[place] & 0xc0 != 0x80 {
        guard let left = index.find(.init(rebasing: bytes[..<place])),
          let right = index.find(.init(rebasing: bytes[place...]))
        else { continue }
        merges.append(Merge(left: Int32(left), right: Int32(right), result: Int32(id)))
      }
    }
  }

  private mutating func sort(_ scores: [Float]) {
    let unsorted = merges
    func score(_ place: Int) -> Float { scores[Int(unsorted[place].result)] }
    let order = unsorted.indices.sorted {
      score($0) != score($1) ? score($0) > score($1) : $0 < $1
    }
    merges = order.map { unsorted[$0] }
    ranks.reserveCapacity(merges.count)
    for place in merges.indices {
      let isNew = place > 0 && score(order[place]) != score(order[place - 1])
      if place > 0, !isNew, merges[place].result != merges[place - 1].result {
        tied.formUnion([merges[place - 1].result, merges[place].result])
      }
      ranks.append(place == 0 ? 0 : ranks[place - 1] + (isNew ? 1 : 0))
    }
  }
}
