import BitCore
import Testing

@testable import BitLM

@Suite("Stop strings")
struct StopMatcherTests {
  /// What is shown of a text, and whether it is stopped, by trying each place in turn.
  static func expected(_ text: [UInt8], _ strings: [String]) -> (shown: [UInt8], stopped: Bool) {
    for end in text.indices {
      let ending = strings.map { Array($0.utf8) }.filter {
        text[...end].reversed().starts(with: $0.reversed())
      }
      if let longest = ending.map(\.count).max() {
        return (Array(text[..<(end + 1 - longest)]), true)
      }
    }
    return (text, false)
  }

  static func shown(_ pieces: [[UInt8]], _ strings: [String]) throws -> (
    shown: [UInt8], stopped: Bool
  ) {
    var matcher = try StopMatcher(strings: strings)
    var shown: [UInt8] = []
    for piece in pieces {
      let step = matcher.append(piece)
      #expect(step.isStopped == matcher.isStopped)
      shown += step.shown
    }
    return (shown + matcher.finish(), matcher.isStopped)
  }

  @Test("What is shown does not depend on the pieces, and is what a search of the whole finds")
  func pieces() throws {
    var generator = SeededGenerator(seed: 6)
    func string(_ length: Int) -> [UInt8] {
      (0..<length).map { _ in UInt8(ascii: generator.next() % 3 == 0 ? "b" : "a") }
    }
    var stopped = 0
    for _ in 0..<2000 {
      let strings = (0..<Int(generator.next() % 4)).map { _ in
        String(decoding: string(1 + Int(generator.next() % 6)), as: UTF8.self)
      }
      let text = string(Int(generator.next() % 30))
      let expected = Self.expected(text, strings)
      var pieces: [[UInt8]] = []
      var rest = text[...]
      while !rest.isEmpty {
        let piece = rest.prefix(Int(generator.next() % 5))
        pieces.append(Array(piece))
        rest = rest.dropFirst(piece.count)
      }
      let found = try Self.shown(pieces, strings)
      #expect(found == expected, "\(strings) in \(String(decoding: text, as: UTF8.self))")
      stopped += expected.stopped ? 1 : 0
    }
    #expect(200...1800 ~= stopped)
  }

  @Test("Text is held back only while it may begin a stop string")
  func heldBack() throws {
    var matcher = try StopMatcher(strings: ["<|end|>", "<|eot|>"])
    #expect(matcher.append("Hi <|e".utf8) == .init(shown: Array("Hi ".utf8), isStopped: false))
    #expect(matcher.append("x".utf8) == .init(shown: Array("<|ex".utf8), isStopped: false))
    #expect(matcher.append("<<|eo".utf8) == .init(shown: Array("<".utf8), isStopped: false))
    #expect(matcher.append("t|>more".utf8) == .init(shown: [], isStopped: true))
    #expect(matcher.stopString == "<|eot|>")
    #expect(matcher.append("more".utf8) == .init(shown: [], isStopped: true))
    #expect(matcher.finish().isEmpty)
  }

  @Test("Equal characters of other bytes are no match")
  func canonicalEquivalence() throws {
    var matcher = try StopMatcher(strings: ["\u{e9}"])
    #expect(matcher.append("e\u{301}".utf8).shown == Array("e\u{301}".utf8))
    #expect(matcher.append("\u{e9}".utf8).isStopped)
  }

  @Test("Held-back text ends between scalars")
  func scalars() throws {
    var matcher = try StopMatcher(strings: ["€uro"])
    let step = matcher.append("ä€".utf8)
    #expect(step.shown == Array("ä".utf8))
    #expect(matcher.append("¢".utf8).shown == Array("€¢".utf8))
  }

  @Test("A long text of nearly matching bytes is searched in linear steps")
  func nearMatches() throws {
    let long = String(repeating: "a", count: 30_000) + "b"
    var matcher = try StopMatcher(strings: [long, String(repeating: "a", count: 29_999) + "c"])
    for _ in 0..<20 { #expect(!matcher.append(long.utf8.dropFirst().dropLast()).isStopped) }
    #expect(matcher.append("b".utf8).isStopped)
  }

  @Test("Empty strings and too many bytes are errors")
  func limits() {
    #expect(throws: InputError.self) { try StopMatcher(strings: ["a", ""]) }
    let long = String(repeating: "a", count: StopMatcher.mostBytes)
    #expect(throws: Never.self) { try StopMatcher(strings: [long]) }
    #expect(throws: InputError.self) { try StopMatcher(strings: [long, "b"]) }
  }
}
