/// Finds added tokens in a text: at the first place where there is one the longest.
struct AddedTokenMatcher: Sendable {
  /// A place of a token in a text, with the white space that it takes.
  struct Match {
    var token: Int
    var start: Int
    var end: Int
    /// Where to look on.
    var next: Int
  }

  /// A tree of the bytes of all tokens; nodes are linked to their first child and next sibling.
  private struct Node {
    var byte: UInt8
    var token: Int32 = -1
    var child: Int32 = -1
    var sibling: Int32 = -1
  }

  let tokens: [AddedToken]
  private var nodes: [Node] = []
  /// The node of each first byte, or -1.
  private var roots = [Int32](repeating: -1, count: 256)

  /// A matcher of tokens by their texts.
  init(_ tokens: [AddedToken], texts: [[UInt8]]) {
    self.tokens = tokens
    for (index, text) in texts.enumerated() where !text.isEmpty {
      insert(text, Int32(index))
    }
  }

  private mutating func insert(_ text: [UInt8], _ token: Int32) {
    func add(_ byte: UInt8) -> Int32 {
      nodes.append(Node(byte: byte))
      return Int32(nodes.count - 1)
    }
    if roots[Int(text[0])] < 0 { roots[Int(text[0])] = add(text[0]) }
    var node = roots[Int(text[0])]
    for byte in text.dropFirst() {
      var child = nodes[Int(node)].child
      while child >= 0, nodes[Int(child)].byte != byte { child = nodes[Int(child)].sibling }
      if child < 0 {
        child = add(byte)
        nodes[Int(child)].sibling = nodes[Int(node)].child
        nodes[Int(node)].child = child
      }
      node = child
    }
    // Of two tokens that are the same after normalization, the first counts.
    if nodes[Int(node)].token < 0 { nodes[Int(node)].token = token }
  }

  var isEmpty: Bool { nodes.isEmpty }

  /// The next token in a text.
  ///
  /// - Parameters:
  ///   - start: where to look.
  ///   - end: where the last token ended, whose white space is taken already.
  ///   - special: whether special tokens count.
  func next(in text: TextPointer, from start: Int, after end: Int, special: Bool) -> Match? {
    var place = start
    while place < text.count {
      let first = roots[Int(text.base[place])]
      guard first >= 0, let (token, stop) = longest(first, in: text, at: place) else {
        place += 1
        continue
      }
      let added = tokens[token]
      if added.isSpecial && !special || added.isSingleWord && isInsideWord(text, place, stop) {
        place = stop
        continue
      }
      var match = Match(token: token, start: place, end: stop, next: stop)
      if added.stripsLeft { match.start = max(end, spaceStart(text, place)) }
      if added.stripsRight { match.end = spaceEnd(text, stop) }
      return match
    }
    return nil
  }

  private func longest(_ first: Int32, in text: TextPointer, at start: Int) -> (Int, Int)? {
    var (node, place) = (first, start + 1)
    var found: (Int, Int)?
    while node >= 0 {
      if nodes[Int(node)].token >= 0 { found = (Int(nodes[Int(node)].token), place) }
      guard place < text.count else { break }
      let byte = text.base[place]
      node = nodes[Int(node)].child
      while node >= 0, nodes[Int(node)].byte != byte { node = nodes[Int(node)].sibling }
      place += 1
    }
    return found
  }

  private func isInsideWord(_ text: TextPointer, _ start: Int, _ end: Int) -> Bool {
    func isWord(_ place: Int) -> Bool {
      CharacterClass(text.scalar(at: place).value).contains(.word)
    }
    return start > 0 && isWord(text.start(before: start)) || end < text.count && isWord(end)
  }

  private func spaceStart(_ text: TextPointer, _ end: Int) -> Int {
    var place = end
    while place > 0 {
      let before = text.start(before: place)
      guard CharacterClass(text.scalar(at: before).value).contains(.space) else { break }
      place = before
    }
    return place
  }

  private func spaceEnd(_ text: TextPointer, _ start: Int) -> Int {
    var place = start
    while place < text.count {
      let (value, length) = text.scalar(at: place)
      guard CharacterClass(value).contains(.space) else { break }
      place += length
    }
    return place
  }
}
