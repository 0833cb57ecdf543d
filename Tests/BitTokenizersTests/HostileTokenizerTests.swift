import BitCore
import BitFiles
import Testing

@testable import BitTokenizers

/// Files that are cut off, contradict themselves or want too much.
@Suite struct HostileTokenizerTests {
  @Test(arguments: try Golden.small.get().filter { $0.expect == "load" })
  func aFileCutAnywhereIsRefused(small: Golden.Small) throws {
    let whole = try Golden.bytes("small/" + small.name)
    let last = try #require(whole.lastIndex(of: UInt8(ascii: "}")))
    // Each byte of the parts before the vocabulary and of the end; some of the rest.
    for count in 0...last where count < 400 || count > last - 100 || count % 61 == 0 {
      let error = try #require(throws: InputError.self, "\(count) bytes") {
        try TokenizerDefinition(tokenizerJSON: Array(whole[..<count]), source: "cut")
      }
      #expect(error.source == "cut")
    }
  }

  @Test func aSmallFileCutAtAnyByteIsRefused() throws {
    let whole = Self.json()
    let last = try #require(whole.lastIndex(of: UInt8(ascii: "}")))
    for count in 0...last {
      let error = try #require(throws: InputError.self, "\(count) bytes") {
        try TokenizerDefinition(tokenizerJSON: Array(whole[..<count]), source: "cut")
      }
      #expect(error.kind == .malformed)
    }
  }

  /// A tokenizer.json of letters with parts replaced.
  static func json(
    vocabulary: String = #""a":0,"b":1,"ab":2"#, merges: String = #""a b""#, added: String = "",
    rest: String = #""normalizer":null"#
  ) -> [UInt8] {
    Array(
      """
      {"version":"1.0","added_tokens":[\(added)],\(rest),"pre_tokenizer":null,
      "decoder":{"type":"Fuse"},
      "model":{"type":"BPE","vocab":{\(vocabulary)},"merges":[\(merges)]}}
      """.utf8)
  }

  @Test func theSmallFileItselfIsRight() throws {
    let tokenizer = try Tokenizer(TokenizerDefinition(tokenizerJSON: Self.json()))
    #expect(try tokenizer.encode("abba") == [2, 1, 0])
    #expect(tokenizer.decode([2, 1, 0, 7, -1]) == "abba")
    let error = try #require(throws: InputError.self) { try tokenizer.encode("abc") }
    #expect(error.found.contains("63"))
  }

  static let wrong: [(name: String, json: [UInt8], found: String)] = [
    ("token twice", json(vocabulary: #""a":0,"b":1,"ab":2,"a":3"#), "twice"),
    ("id twice", json(vocabulary: #""a":0,"b":1,"ab":1"#), "for another token too"),
    ("empty token", json(vocabulary: #""a":0,"b":1,"ab":2,"":3"#), "0 bytes"),
    ("negative id", json(vocabulary: #""a":0,"b":1,"ab":-2"#), "-2"),
    ("huge id", json(vocabulary: #""a":0,"b":1,"ab":99999999"#), "99999999"),
    ("hole", json(vocabulary: #""a":0,"b":1,"ab":4000000"#), "4000000 among 3 tokens"),
    ("fraction", json(vocabulary: #""a":0,"b":1,"ab":2.5"#), "'2'"),
    ("beyond 64 bits", json(vocabulary: #""a":0,"b":1,"ab":99999999999999999999"#), "'9'"),
    ("merge of nothing", json(merges: #""a c""#), #"\"c\""#.unescaped),
    ("merge to nothing", json(merges: #""b a""#), #"\"ba\""#.unescaped),
    ("half a merge", json(merges: #""ab""#), "without its two tokens"),
    ("merge of three", json(merges: #"["a","b","a"]"#), "'\"'"),
    ("merge of spaces", json(merges: #""a b ""#), "without its two tokens"),
    ("added elsewhere", json(added: #"{"id":1,"content":"a","special":true}"#), #"id 1"#),
    ("added over another", json(added: #"{"id":1,"content":"x"}"#), "another token"),
    ("added without text", json(added: #"{"id":3,"content":""}"#), "without text"),
    ("added twice", json(added: #"{"id":3,"content":"x"},{"id":4,"content":"x"}"#), "3 and 4"),
    ("added far away", json(added: #"{"id":4000000,"content":"x"}"#), "4000000"),
    ("surrogate", json(vocabulary: #""\ud800":0"#), "surrogate"),
    ("normalizer", json(rest: #""normalizer":{"type":"NFKC"}"#), "NFKC"),
    (
      "post-processor", json(rest: #""post_processor":{"type":"BertProcessing"}"#), "BertProcessing"
    ),
    ("member", json(rest: #""surprise":1"#), "surprise"),
    (
      "template",
      json(
        rest: """
          "post_processor":{"type":"TemplateProcessing","pair":[],
          "single":[{"SpecialToken":{"id":"a","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],
          "special_tokens":{"a":{"id":"a","ids":[1],"tokens":["a"]}}}
          """), "with id 1"
    ),
  ]

  @Test(arguments: wrong.map(\.name))
  func whatIsWrongIsOneClearError(name: String) throws {
    let wrong = try #require(Self.wrong.first { $0.name == name })
    let error = try #require(throws: InputError.self) {
      try Tokenizer(TokenizerDefinition(tokenizerJSON: wrong.json))
    }
    #expect(error.found.contains(wrong.found), "\(error)")
    #expect(!error.description.contains("\n"))
  }

  @Test func invalidUTF8IsRefusedInFilesAndTexts() throws {
    var bytes = Self.json()
    let place = try #require(bytes.firstIndex(of: UInt8(ascii: "b")))
    bytes[place] = 0xff
    #expect(throws: InputError.self) { try TokenizerDefinition(tokenizerJSON: bytes) }
    let tokenizer = try Golden.tokenizer.get()
    #expect(throws: InputError.self) { try tokenizer.encode(utf8: [0x61, 0xc3]) }
    #expect(try tokenizer.encode(utf8: Array("the".utf8)) == [312, 257])
  }

  @Test func aLongPieceWithoutSpacesEnds() throws {
    let tokenizer = try Golden.tokenizer.get()
    // Merged by a heap, where short pieces are merged by looking through all pairs.
    for text in ["the", "his", "er"] {
      let long = String(repeating: text, count: 100_000)
      let ids = try tokenizer.encode(long, addSpecialTokens: false)
      #expect(isSame(tokenizer.decode(ids), long))
    }
  }

  @Test func longAndShortPiecesMergeInTheSameOrder() throws {
    let definition = try TokenizerDefinition(folder: Golden.folder)
    let table = try definition.mergeTable().1
    var generator = SeededGenerator(seed: 7)
    for _ in 0..<500 {
      let symbols = (0..<32).map { _ in Int32.random(in: 64..<90, using: &generator) }
      var (short, long) = (PairMerger(table), PairMerger(table))
      short.symbols = symbols
      short.merge()
      // Symbols that merge with nothing make the piece a long one.
      long.symbols = symbols + [312, 312, 312]
      long.merge()
      #expect(short.symbols + [312, 312, 312] == long.symbols)
    }
  }
}

extension String {
  /// The text with quotation marks in the place of escaped ones.
  fileprivate var unescaped: String { split(separator: "\\").joined() }
}
