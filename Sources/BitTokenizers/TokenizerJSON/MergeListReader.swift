import BitCore
import BitFiles

/// Reads the merges of a tokenizer.json: "a b" or ["a","b"] each.
struct MergeListReader {
  /// Finds the place of a token in the vocabulary.
  let index: TokenIndex
  /// The merges, with places in the vocabulary instead of ids.
  private(set) var merges: [Merge] = []
  /// The texts of the merges of `batch`, one after the other.
  private var scratch: [UInt8] = []
  /// The text of the token that a merge makes.
  private var whole: [UInt8] = []
  /// Merges that have been read and not yet looked up.
  private var batch: [Pair] = []
  private static let batchCount = 64

  /// A merge in the file.
  private struct Pair {
    /// Where it begins in the file.
    var start: Int
    /// Where its texts lie in `scratch`.
    var left: Range<Int>
    var right: Range<Int>
    var hashes: (left: UInt64, right: UInt64) = (0, 0)
    var guesses: (left: Int32, right: Int32) = (-1, -1)
  }

  init(_ index: TokenIndex) { self.index = index }

  /// Reads the list from its bracket.
  mutating func read(_ parser: inout JSONParser) throws(InputError) {
    // A merge takes about 20 bytes of the file.
    merges.reserveCapacity(min((parser.bytes.count - parser.place) / 20, TokenizerLimits.merges))
    try parser.parseArray { (parser) throws(InputError) in
      guard merges.count + batch.count < TokenizerLimits.merges else {
        throw parser.malformed("more merges", "at most \(TokenizerLimits.merges)")
      }
      batch.append(try readPair(&parser))
      if batch.count == Self.batchCount { try findBatch(parser) }
    }
    try findBatch(parser)
  }

  /// Looks up the tokens of the merges that have been read.
  private mutating func findBatch(_ parser: JSONParser) throws(InputError) {
    for place in batch.indices {
      batch[place].hashes.left = TokenIndex.hash(scratch, batch[place].left)
      batch[place].hashes.right = TokenIndex.hash(scratch, batch[place].right)
    }
    for place in batch.indices {
      batch[place].guesses.left = index.firstGuess(batch[place].hashes.left)
      batch[place].guesses.right = index.firstGuess(batch[place].hashes.right)
    }
    for pair in batch {
      let left = index.find(scratch, pair.left, hash: pair.hashes.left, guess: pair.guesses.left)
      let right = index.find(
        scratch, pair.right, hash: pair.hashes.right, guess: pair.guesses.right)
      guard left >= 0, right >= 0 else {
        throw Self.notFound(scratch[left < 0 ? pair.left : pair.right], pair.start, parser)
      }
      whole.removeAll(keepingCapacity: true)
      whole.append(contentsOf: scratch[pair.left])
      whole.append(contentsOf: scratch[pair.right])
      // The results of merges follow each other in most vocabularies, and a guess is cheap.
      var result = merges.last?.result ?? 0
      if index.isString(whole, Int(result) + 1) {
        result += 1
      } else if !index.isString(whole, Int(result)) {
        result = Int32(index.find(whole) ?? -1)
        guard result >= 0 else { throw Self.notFound(whole[...], pair.start, parser) }
      }
      merges.append(Merge(left: left, right: right, result: result))
    }
    batch.removeAll(keepingCapacity: true)
    scratch.removeAll(keepingCapacity: true)
  }

  /// Reads a merge behind the others in `scratch`.
  private mutating func readPair(_ parser: inout JSONParser) throws(InputError) -> Pair {
    let (start, first) = (parser.place, scratch.count)
    if parser.peek == UInt8(ascii: "\"") {
      try parser.countValue()
      try parser.parseString(appendingTo: &scratch)
      guard let space = Self.onlySpace(scratch, from: first), space + 1 < scratch.count else {
        throw parser.malformed("a merge at byte \(start) without its two tokens", "\"a b\"")
      }
      return Pair(start: start, left: first..<space, right: space + 1..<scratch.count)
    }
    guard parser.peek == UInt8(ascii: "[") else { throw parser.unexpected("a merge") }
    var (count, middle) = (0, first)
    try parser.parseArray { (parser) throws(InputError) in
      guard parser.peek == UInt8(ascii: "\""), count < 2 else {
        throw parser.unexpected("two tokens of a merge")
      }
      try parser.countValue()
      if count == 1 { middle = scratch.count }
      try parser.parseString(appendingTo: &scratch)
      count += 1
    }
    guard count == 2, middle > first, middle < scratch.count else {
      throw parser.malformed("a merge at byte \(start) without its two tokens", "[\"a\", \"b\"]")
    }
    return Pair(start: start, left: first..<middle, right: middle..<scratch.count)
  }

  /// Where the space is, if there is one and it is not at the start.
  private static func onlySpace(_ text: [UInt8], from start: Int) -> Int? {
    var found: Int?
    for place in start..<text.count where text[place] == 0x20 {
      if found != nil || place == start { return nil }
      found = place
    }
    return found
  }

  private static func notFound(
    _ text: ArraySlice<UInt8>, _ start: Int, _ parser: JSONParser
  ) -> InputError {
    let name = ErrorText.quoted(String(decoding: text, as: UTF8.self))
    return parser.malformed(
      "the token \(name) of the merge at byte \(start), which is not in the vocabulary",
      "tokens of the vocabulary")
  }
}
