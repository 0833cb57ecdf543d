/// Learns merges: joins the most frequent pair of neighbouring tokens, again and again.
///
/// Counts are kept up to date from one merge to the next. Each pair knows where it occurs, so that a
/// merge costs what it changes and not a walk through the text.
struct PairLearner {
  /// The bytes of each token that was learned or given, by id; empty for ids that merge with none.
  private(set) var tokens: TokenTable
  /// The merges that were learned, in order.
  private(set) var merges: [Merge] = []
  /// The id of each string of bytes, so that two merges to the same string give the same token.
  private var ids: [ArraySlice<UInt8>: Int32] = [:]

  /// The tokens of all pieces, one piece after the other; -1 where a token was merged away.
  private var symbols: [Int32] = []
  /// The places after and before each token in its piece, or -1.
  private var next: [Int32] = []
  private var previous: [Int32] = []
  /// How often the piece of each place occurs.
  private var weights: [Int] = []

  private var numbers: [UInt64: Int] = [:]
  private var pairs: [Pair] = []
  private var queue = BinaryHeap<Candidate>()
  /// Pairs that the merge at hand has made more frequent.
  private var grown: [Int] = []

  /// Two neighbouring tokens.
  private struct Pair {
    let left: Int32
    let right: Int32
    var count = 0
    /// Where the left one is; some of these places may have changed since.
    var places: [Int32] = []
    /// Whether it is in `grown`.
    var isGrown = false
  }

  /// A pair with its count at some time: the most frequent goes first, of equal ones the one with
  /// the lowest ids.
  private struct Candidate: Comparable {
    var count: Int
    var left: Int32
    var right: Int32
    var pair: Int

    static func < (a: Candidate, b: Candidate) -> Bool {
      if a.count != b.count { return a.count > b.count }
      return a.left != b.left ? a.left < b.left : a.right < b.right
    }
  }

  /// A learner that has not merged anything.
  ///
  /// - Parameters:
  ///   - pieces: the pieces of the text with their counts; nothing merges across their ends. At most
  ///     2^31 - 1 bytes.
  ///   - tokens: the bytes of the tokens that there are; empty for those that merge with none.
  ///   - byteTokens: the token of each byte.
  init(_ pieces: PieceCounter, tokens: TokenTable, byteTokens: [Int32]) {
    self.tokens = tokens
    for id in 0..<tokens.count where !tokens[id].isEmpty { ids[tokens[id]] = Int32(id) }
    let count = pieces.pieces.bytes.count
    symbols = pieces.pieces.bytes.map { byteTokens[Int($0)] }
    next = [Int32](repeating: -1, count: count)
    previous = next
    weights = [Int](repeating: 0, count: count)
    for (number, weight) in pieces.counts.enumerated() {
      let range = pieces.pieces.range(number)
      for place in range {
        weights[place] = weight
        if place > range.lowerBound { previous[place] = Int32(place - 1) }
        if place + 1 < range.upperBound {
          next[place] = Int32(place + 1)
          add(symbols[place], symbols[place + 1], at: place)
        }
      }
    }
    enqueueGrown()
  }

  /// Merges until there are `count` tokens, or until no pair occurs `minimum` times.
  mutating func learn(_ count: Int, minimum: Int) {
    while tokens.count < count, let top = queue.pop() {
      let current = pairs[top.pair].count
      guard current >= minimum else { continue }
      if top.count == current {
        merge(top.pair)
      } else {
        queue.push(Candidate(count: current, left: top.left, right: top.right, pair: top.pair))
      }
    }
  }

  /// Joins all occurrences of a pair, from left to right.
  private mutating func merge(_ number: Int) {
    let (left, right) = (pairs[number].left, pairs[number].right)
    let result = token(of: tokens[Int(left)] + tokens[Int(right)])
    merges.append(Merge(left: left, right: right, result: result))
    var places: [Int32] = []
    swap(&places, &pairs[number].places)
    places.sort()
    for place in places.lazy.map({ Int($0) }) where symbols[place] == left {
      let second = Int(next[place])
      guard second >= 0, symbols[second] == right else { continue }
      let (before, after) = (Int(previous[place]), Int(next[second]))
      if before >= 0 { remove(symbols[before], left, at: place) }
      if after >= 0 { remove(right, symbols[after], at: place) }
      symbols[place] = result
      symbols[second] = -1
      next[place] = Int32(after)
      if before >= 0 { add(symbols[before], result, at: before) }
      if after >= 0 {
        previous[after] = Int32(place)
        add(result, symbols[after], at: place)
      }
    }
    pairs[number].count = 0
    enqueueGrown()
  }

  /// The token of a string of bytes, which is new as a rule.
  private mutating func token(of bytes: ArraySlice<UInt8>) -> Int32 {
    if let id = ids[bytes] { return id }
    let id = Int32(tokens.count)
    tokens.append(bytes)
    ids[bytes] = id
    return id
  }

  private func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// Counts a pair whose left token is at a place.
  private mutating func add(_ left: Int32, _ right: Int32, at place: Int) {
    let key = key(left, right)
    let number: Int
    if let known = numbers[key] {
      number = known
    } else {
      number = pairs.count
      numbers[key] = number
      pairs.append(Pair(left: left, right: right))
    }
    pairs[number].count += weights[place]
    pairs[number].places.append(Int32(place))
    if !pairs[number].isGrown {
      pairs[number].isGrown = true
      grown.append(number)
    }
  }

  /// Takes back the count of a pair in the piece of a place.
  private mutating func remove(_ left: Int32, _ right: Int32, at place: Int) {
    guard let number = numbers[key(left, right)] else { return }
    pairs[number].count -= weights[place]
  }

  private mutating func enqueueGrown() {
    for number in grown {
      let pair = pairs[number]
      queue.push(Candidate(count: pair.count, left: pair.left, right: pair.right, pair: number))
      pairs[number].isGrown = false
    }
    grown.removeAll(keepingCapacity: true)
  }
}
