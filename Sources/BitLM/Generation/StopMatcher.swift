import BitCore

/// Finds the end of a text: a token that ends it, or a string that must not be shown.
///
/// Text is held back while it may be the beginning of a stop string. The first stop string that is
/// complete ends the text; of several that are complete at the same byte, the longest. What is
/// shown does not depend on how the text is cut into pieces. Strings are compared by their bytes,
/// in time that grows with the length of the text alone (Aho and Corasick, 1975).
package struct StopMatcher: Sendable {
  /// What came of a piece of text.
  package struct Step: Sendable, Equatable {
    /// What may be shown, in UTF-8. It ends between two scalars if the text and its pieces do.
    package var shown: [UInt8]
    /// Whether a stop string is complete. Nothing more is to be shown then.
    package var isStopped: Bool
  }

  /// A beginning of one or more stop strings.
  private struct Node {
    /// Its length in bytes.
    var length: Int
    /// The node of its longest proper suffix that also begins a stop string.
    var suffix = 0
    /// The length of the longest stop string that it ends with; 0 if there is none.
    var matched = 0
  }

  /// The tokens that end a text.
  package let stopIDs: Set<Int32>
  /// The stop string that was found.
  package private(set) var stopString: String?
  private var nodes = [Node(length: 0)]
  /// The node that a byte leads to, by node * 256 + byte.
  private var next: [Int: Int] = [:]
  private var node = 0
  /// What has come and may begin a stop string: as long as `node`.
  private var held: [UInt8] = []

  /// Whether a stop string was found.
  package var isStopped: Bool { stopString != nil }

  /// The most bytes that the stop strings may have together.
  package static let mostBytes = 1 << 16

  /// A matcher for some strings and tokens.
  ///
  /// - Throws: `InputError` if a string is empty (it would stop every text at once), or if they
  ///   have more than 65,536 bytes together.
  package init(
    strings: [String] = [], ids: some Sequence<Int32> = EmptyCollection()
  ) throws(InputError) {
    stopIDs = Set(ids)
    var bytes = 0
    for string in strings {
      bytes += string.utf8.count
      guard !string.utf8.isEmpty else {
        throw InputError(
          .malformed, source: "stop strings", found: "an empty string",
          expected: "strings of at least one byte")
      }
      guard bytes <= Self.mostBytes else {
        throw InputError(
          .unsupported, source: "stop strings", found: "\(bytes) bytes or more",
          expected: "at most \(Self.mostBytes) in all")
      }
      insert(string)
    }
    linkSuffixes()
  }

  private mutating func insert(_ string: String) {
    var place = 0
    for byte in string.utf8 {
      let key = place * 256 + Int(byte)
      if let child = next[key] {
        place = child
      } else {
        nodes.append(Node(length: nodes[place].length + 1))
        next[key] = nodes.count - 1
        place = nodes.count - 1
      }
    }
    nodes[place].matched = nodes[place].length
  }

  /// Sets `suffix` and `matched` of all nodes, the shorter ones first.
  private mutating func linkSuffixes() {
    let edges = next.map { (parent: $0.key / 256, byte: $0.key % 256, child: $0.value) }
    for (parent, byte, child) in edges.sorted(by: {
      nodes[$0.child].length < nodes[$1.child].length
    }) {
      let suffix = parent == 0 ? 0 : step(from: nodes[parent].suffix, byte)
      nodes[child].suffix = suffix
      nodes[child].matched = max(nodes[child].matched, nodes[suffix].matched)
    }
  }

  private func step(from start: Int, _ byte: Int) -> Int {
    var place = start
    while true {
      if let child = next[place * 256 + byte] { return child }
      if place == 0 { return 0 }
      place = nodes[place].suffix
    }
  }

  /// Whether a token ends the text.
  package func isStop(_ id: Int32) -> Bool { stopIDs.contains(id) }

  /// Takes the next bytes of the text and says what may be shown now. After a stop string, nothing
  /// may.
  package mutating func append(_ bytes: some Sequence<UInt8>) -> Step {
    guard !isStopped else { return Step(shown: [], isStopped: true) }
    for byte in bytes {
      held.append(byte)
      node = step(from: node, Int(byte))
      if nodes[node].matched > 0 {
        let found = held.suffix(nodes[node].matched)
        stopString = String(decoding: found, as: UTF8.self)
        held.removeLast(found.count)
        defer { held = [] }
        return Step(shown: held, isStopped: true)
      }
    }
    let shown = Array(held.dropLast(nodes[node].length))
    held.removeFirst(shown.count)
    return Step(shown: shown, isStopped: false)
  }

  /// What is still held back, which is shown if the text ends here without a stop string.
  package mutating func finish() -> [UInt8] {
    defer {
      held = []
      node = 0
    }
    return held
  }
}
