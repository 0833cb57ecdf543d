/// Merges the symbols of a piece, pair by pair: the lowest rank first, of equal ones the leftmost.
///
/// Short pieces, which are nearly all, look through all pairs for each merge; long ones keep the
/// pairs in a heap, so that a megabyte without a space does not take a year.
struct PairMerger {
  private let merges: MergeTable
  /// The symbols of the piece; after ``merge()`` its tokens.
  var symbols: [Int32] = []
  private var ranks: [UInt32] = []
  private var results: [Int32] = []
  private var next: [Int32] = []
  private var previous: [Int32] = []
  private var heap = BinaryHeap<UInt64>()

  /// Pieces up to this many symbols are short.
  private static let shortCount = 32

  init(_ merges: MergeTable) { self.merges = merges }

  /// Merges ``symbols`` until no pair is left.
  mutating func merge() {
    if symbols.count <= Self.shortCount { mergeShort() } else { mergeLong() }
  }

  private mutating func mergeShort() {
    var count = symbols.count
    guard count > 1 else { return }
    if ranks.count < Self.shortCount {
      ranks = Array(repeating: 0, count: Self.shortCount)
      results = Array(repeating: 0, count: Self.shortCount)
    }
    let merges = merges
    symbols.withUnsafeMutableBufferPointer { symbols in
      ranks.withUnsafeMutableBufferPointer { ranks in
        results.withUnsafeMutableBufferPointer { results in
          for place in 0..<count - 1 {
            (ranks[place], results[place]) = merges.find(symbols[place], symbols[place + 1])
          }
          while count > 1 {
            var (best, place) = (MergeTable.none, 0)
            for other in 0..<count - 1 where ranks[other] < best {
              (best, place) = (ranks[other], other)
            }
            if best == MergeTable.none { break }
            symbols[place] = results[place]
            count -= 1
            for other in place + 1..<max(count, place + 1) {
              symbols[other] = symbols[other + 1]
              ranks[other - 1] = ranks[other]
              results[other - 1] = results[other]
            }
            if place < count - 1 {
              (ranks[place], results[place]) = merges.find(symbols[place], symbols[place + 1])
            }
            if place > 0 {
              (ranks[place - 1], results[place - 1]) = merges.find(
                symbols[place - 1], symbols[place])
            }
          }
        }
      }
    }
    symbols.removeLast(symbols.count - count)
  }
}

extension PairMerger {
  private mutating func mergeLong() {
    let count = symbols.count
    precondition(count <= Int(Int32.max), "a piece of \(count) symbols")
    next = (0..<Int32(count)).map { $0 + 1 }
    previous = (0..<Int32(count)).map { $0 - 1 }
    heap.removeAll()
    for place in 0..<count - 1 { push(place) }
    while let top = heap.pop() {
      let place = Int(top & 0xffff_ffff)
      // A symbol that was merged away is -1; a pair that has changed since has another rank.
      let right = symbols[place] < 0 ? count : Int(next[place])
      guard right < count else { continue }
      let (rank, result) = merges.find(symbols[place], symbols[right])
      guard rank == UInt32(top >> 32) else { continue }
      symbols[place] = result
      symbols[right] = -1
      next[place] = next[right]
      if Int(next[place]) < count {
        previous[Int(next[place])] = Int32(place)
        push(place)
      }
      if previous[place] >= 0 { push(Int(previous[place])) }
    }
    symbols.removeAll { $0 < 0 }
  }

  /// Adds the pair that starts at a place, if it merges.
  private mutating func push(_ place: Int) {
    let (rank, _) = merges.find(symbols[place], symbols[Int(next[place])])
    guard rank != MergeTable.none else { return }
    heap.push(UInt64(rank) << 32 | UInt64(place))
  }
}
