import BitCore
import BitFiles

extension TokenizerDefinition {
  /// The merges of the model, those that go first before the others.
  ///
  /// - Throws: `InputError` of kind `.unsupported` if scores leave the order open and that matters:
  ///   where they are equal, the place in the text decides, for which a list has no words.
  func mergesInOrder() throws(InputError) -> [Merge] {
    switch model.order {
    case .merges(let merges): return merges
    case .scores(let scores):
      let scored = try ScoredMerges(self, scores)
      try checkTies(scored)
      return scored.merges
    }
  }

  /// Vocabularies of SentencePiece give all runs of spaces the same score. For runs of one character
  /// it can be tried whether the order of a list gives the same tokens.
  private func checkTies(_ scored: ScoredMerges) throws(InputError) {
    var longest: [UInt32: Int] = [:]
    for id in scored.tied.sorted() {
      let scalars = tokens.text(Int(id)).unicodeScalars
      guard let first = scalars.first, scalars.allSatisfy({ $0 == first }) else {
        throw InputError(
          .unsupported, source: source,
          found: "the score of \(ErrorText.quoted(tokens.text(Int(id)))) for another token too",
          expected: "an order of all tokens, which a list of merges has")
      }
      longest[first.value] = max(longest[first.value] ?? 0, scalars.count)
    }
    var byScore = PairMerger(MergeTable(scored.merges) { scored.ranks[$0] })
    var byList = PairMerger(MergeTable(scored.merges) { UInt32($0) })
    for (value, length) in longest.sorted(by: { $0.key < $1.key }) {
      guard let scalar = Unicode.Scalar(value), let symbol = tokens.firstID(of: String(scalar).utf8)
      else { continue }
      for count in 2...4 * length {
        byScore.symbols = Array(repeating: symbol, count: count)
        byList.symbols = byScore.symbols
        byScore.merge()
        byList.merge()
        guard byScore.symbols == byList.symbols else {
          throw InputError(
            .unsupported, source: source,
            found: "equal scores of runs of \(ErrorText.quoted(String(scalar)))",
            expected: "an order of them, which a list of merges has")
        }
      }
    }
  }
}
