import BitCore
import BitFiles

/// Reads the merges of a tokenizer.json: "a b" or ["a","b"] each.
struct MergeListReader {
  /// Finds the place of a token in the vocabulary.
  let index: TokenIndex
  /// The merges, with places in the vocabulary instead of ids.
  private(set) var merges: [Merge] = []
  /// The texts of a merge, one after the other.
  private var scratch: [UInt8] = []

  init(_ index: TokenIndex) { self.index = index }

  /// Reads the list from its bracket.
  mutating func read(_ parser: inout JSONParser) throws(InputError) {
    // A merge takes about 20 bytes of the file.
    merges.reserveCapacity(min((parser.bytes.count - parser.place) / 20, TokenizerLimits.merges))
    try parser.parseArray { (parser) throws(InputError) in
      guard merges.count < TokenizerLimits.merges else {
        throw parser.malformed("more merges", "at most \(TokenizerLimits.merges)")
      }
      let start = parser.place
      let split = try readPair(&parser)
      let left = Self.find(index, scratch, 0, split.end)
      let right = Self.find(index, scratch, split.start, scratch.count)
      if split.start > split.end { scratch.remove(at: split.end) }
      // The results of merges follow each other in most vocabularies, and a guess is cheap.
      var result = merges.last?.result ?? 0
      if !index.isString(scratch, Int(result) + 1) {
        if !index.isString(scratch, Int(result)) {
          result = Self.find(index, scratch, 0, scratch.count)
        }
      } else {
        result += 1
      }
      guard left >= 0, right >= 0, result >= 0 else {
        let missing =
          left < 0 ? scratch[..<split.end] : right < 0 ? scratch[split.end...] : scratch[...]
        throw Self.notFound(missing, start, parser)
      }
      merges.append(Merge(left: left, right: right, result: result))
    }
  }

  /// Reads a merge into `scratch`; where the left part ends and the right one starts.
  private mutating func readPair(
    _ parser: inout JSONParser
  ) throws(InputError) -> (end: Int, start: Int) {
    scratch.removeAll(keepingCapacity: true)
    let start = parser.place
    if parser.peek == UInt8(ascii: "\"") {
      try parser.countValue()
      try parser.parseString(appendingTo: &scratch)
      guard let space = Self.onlySpace(scratch), space + 1 < scratch.count else {
        throw parser.malformed("a merge at byte \(start) without its two tokens", "\"a b\"")
      }
      return (space, space + 1)
    }
    guard parser.peek == UInt8(ascii: "[") else { throw parser.unexpected("a merge") }
    var (count, middle) = (0, 0)
    try parser.parseArray { (parser) throws(InputError) in
      guard parser.peek == UInt8(ascii: "\""), count < 2 else {
        throw parser.unexpected("two tokens of a merge")
      }
      try parser.countValue()
      if count == 1 { middle = scratch.count }
      try parser.parseString(appendingTo: &scratch)
      count += 1
    }
    guard count == 2, middle > 0, middle < scratch.count else {
      throw parser.malformed("a merge at byte \(start) without its two tokens", "[\"a\", \"b\"]")
    }
    return (middle, middle)
  }

  /// Where the space is, if there is one and it is not at the start.
  private static func onlySpace(_ text: [UInt8]) -> Int? {
    var found: Int?
    for place in text.indices where text[place] == 0x20 {
      if found != nil || place == 0 { return nil }
      found = place
    }
    return found
  }

  /// The place of a part of a text in the vocabulary, or -1.
  private static func find(_ index: TokenIndex, _ text: [UInt8], _ start: Int, _ end: Int) -> Int32
  {
    text.withUnsafeBytes { Int32(index.find(.init(rebasing: $0[start..<end])) ?? -1) }
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
