/// Guesses how a text goes on from what followed the latest occurrence of its last few tokens.
///
/// Models quote: code, names, what the prompt says. A model that evaluates several tokens at once
/// about as fast as one tests a guess at little cost (prompt lookup decoding: Saxena, 2023,
/// <https://github.com/apoorvumang/prompt-lookup-decoding>).
package struct NGramDrafter: Sendable {
  /// The numbers of tokens to look up, the longest first.
  package static let lengths = [4, 3, 2]

  /// How many tokens were guessed and how many of these were right.
  package private(set) var statistics = DraftStatistics()
  private(set) var tokens: [Int32] = []
  /// For each length, where what follows the latest occurrence of an n-gram begins, by the hash of
  /// the n-gram. Of two n-grams with the same hash the later one stays, which bounds the memory.
  private var places: [[Int32]]
  private let mask: Int

  /// A drafter for texts of up to `capacity` tokens or so; beyond that it forgets old occurrences.
  package init(capacity: Int = 1 << 14) {
    var slots = 1 << 8
    while slots < min(capacity, 1 << 16) { slots *= 2 }
    mask = slots - 1
    places = Self.lengths.map { _ in Array(repeating: -1, count: slots) }
  }

  /// Adds the next token of the text.
  package mutating func append(_ id: Int32) {
    for (row, length) in Self.lengths.enumerated() where tokens.count >= length {
      places[row][slot(tokens.suffix(length))] = Int32(tokens.count)
    }
    tokens.append(id)
  }

  /// Adds tokens of the text.
  package mutating func append(contentsOf ids: some Sequence<Int32>) {
    for id in ids { append(id) }
  }

  /// Up to `count` tokens that may follow; none if the last two have not occurred before.
  ///
  /// A text that repeats itself is guessed to do so again: a guess may reach beyond the text, and
  /// then goes on with its own tokens.
  package func draft(_ count: Int) -> [Int32] {
    guard count > 0 else { return [] }
    for (row, length) in Self.lengths.enumerated() where tokens.count > length {
      let last = tokens.suffix(length)
      let place = Int(places[row][slot(last)])
      guard place >= length, tokens[place - length..<place] == last else { continue }
      var draft: [Int32] = []
      for offset in 0..<count {
        let source = place + offset
        draft.append(source < tokens.count ? tokens[source] : draft[source - tokens.count])
      }
      return draft
    }
    return []
  }

  /// Counts a guess that was tested.
  package mutating func record(drafted: Int, accepted: Int) {
    precondition(0...drafted ~= accepted, "\(accepted) of \(drafted) drafted tokens accepted")
    statistics.drafted += drafted
    statistics.accepted += accepted
    statistics.tests += 1
  }

  /// How many of the `drafted` tokens are what the model chose: `chosen` holds its choice at the
  /// position of each and, if all are right, the token after them.
  package static func acceptedCount(drafted: [Int32], chosen: [Int32]) -> Int {
    zip(drafted, chosen).prefix { $0 == $1 }.count
  }

  /// FNV-1a over the bits of the tokens, the upper half folded in.
  private func slot(_ ids: ArraySlice<Int32>) -> Int {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for id in ids { hash = (hash ^ UInt64(UInt32(bitPattern: id))) &* 0x100_0000_01b3 }
    return Int(truncatingIfNeeded: hash ^ (hash >> 32)) & mask
  }
}
