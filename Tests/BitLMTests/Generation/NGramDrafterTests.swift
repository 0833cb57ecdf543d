import BitCore
import Testing

@testable import BitLM

@Suite("n-gram drafts")
struct NGramDrafterTests {
  /// The draft by a search through all earlier places.
  static func expected(_ tokens: [Int32], _ count: Int) -> [Int32] {
    for length in NGramDrafter.lengths where tokens.count > length {
      let last = Array(tokens.suffix(length))
      for place in stride(from: tokens.count - 1, through: length, by: -1)
      where Array(tokens[place - length..<place]) == last {
        var all = tokens
        for offset in 0..<count { all.append(all[place + offset]) }
        return Array(all.suffix(count))
      }
    }
    return []
  }

  @Test("A draft is what followed the latest occurrence of the longest n-gram")
  func latestOccurrence() {
    var generator = SeededGenerator(seed: 7)
    var drafts = 0
    for variety: UInt64 in [2, 4, 12] {
      var drafter = NGramDrafter()
      var tokens: [Int32] = []
      for _ in 0..<200 {
        let count = Int(generator.next() % 8)
        let draft = drafter.draft(count)
        #expect(draft == Self.expected(tokens, count))
        drafts += draft.isEmpty ? 0 : 1
        let id = Int32(generator.next() % variety)
        tokens.append(id)
        drafter.append(id)
      }
    }
    #expect(drafts > 100)
  }

  @Test("A repeating text is drafted to repeat itself beyond its end")
  func repetition() {
    var drafter = NGramDrafter()
    drafter.append(contentsOf: [5, 1, 2, 3, 1, 2, 3])
    #expect(drafter.draft(7) == [1, 2, 3, 1, 2, 3, 1])
  }

  @Test("With a small table it forgets, but drafts nothing that did not occur")
  func collisions() {
    var drafter = NGramDrafter(capacity: 1)
    var generator = SeededGenerator(seed: 8)
    var tokens: [Int32] = []
    for _ in 0..<5000 {
      let id = Int32(generator.next() % 40)
      tokens.append(id)
      drafter.append(id)
      let draft = drafter.draft(1)
      guard let next = draft.first else { continue }
      let pair = tokens.suffix(2) + [next]
      let occurs = tokens.indices.dropLast(2).contains { tokens[$0..<$0 + 3] == pair }
      #expect(occurs)
    }
  }

  @Test(
    "A draft is accepted up to the first token that the model did not choose",
    arguments: [
      ([1, 2, 3], [1, 2, 3, 4], 3), ([1, 2, 3], [1, 2, 4], 2), ([1, 2, 3], [2], 0), ([], [7], 0),
    ] as [([Int32], [Int32], Int)])
  func accepted(drafted: [Int32], chosen: [Int32], count: Int) {
    #expect(NGramDrafter.acceptedCount(drafted: drafted, chosen: chosen) == count)
  }

  @Test("Tested drafts are counted")
  func statistics() {
    var drafter = NGramDrafter()
    #expect(drafter.statistics.acceptance == 0)
    drafter.record(drafted: 4, accepted: 3)
    drafter.record(drafted: 4, accepted: 0)
    #expect(drafter.statistics.acceptance == 0.375)
    #expect(drafter.statistics.tests == 2)
  }
}
