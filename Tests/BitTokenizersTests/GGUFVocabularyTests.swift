import BitCore
import BitFiles
import Testing

@testable import BitTokenizers

/// Vocabularies of GGUF files, right ones and wrong ones.
@Suite struct GGUFVocabularyTests {
  /// A small vocabulary of characters: bytes, letters and what scores make of them.
  static func scored(_ more: [(String, Float)]) -> GGUFVocabulary {
    let bytes = (0..<256).map {
      String(decoding: TokenizerDefinition.fallbackText(UInt8($0)), as: UTF8.self)
    }
    let letters = ["\u{2581}", "a", "b", "c"]
    let names = ["<unk>", "<s>", "</s>"] + bytes + letters + more.map(\.0)
    var vocabulary = GGUFVocabulary(model: "llama", tokens: TokenTable(names))
    vocabulary.types =
      [2, 3, 3] + Array(repeating: 6, count: 256) + Array(repeating: 1, count: 4 + more.count)
    vocabulary.scores = Array(repeating: 0, count: 263) + more.map(\.1)
    vocabulary.beginOfText = 1
    vocabulary.endOfText = 2
    vocabulary.unknown = 0
    return vocabulary
  }

  static func names(_ vocabulary: GGUFVocabulary, _ text: String) throws -> [String] {
    let tokenizer = try Tokenizer(TokenizerDefinition(vocabulary))
    let ids = try tokenizer.encode(text, addSpecialTokens: false)
    #expect(isSame(tokenizer.decode(ids), text))
    return ids.map { tokenizer.name(of: $0) ?? "none" }
  }

  @Test func theHighestScoreMergesFirst() throws {
    let ab: (String, Float) = ("ab", -1)
    let bc: (String, Float) = ("bc", -2)
    #expect(try Self.names(Self.scored([ab, bc]), "abc") == ["\u{2581}", "ab", "c"])
    #expect(try Self.names(Self.scored([("ab", -3), bc]), "abc") == ["\u{2581}", "a", "bc"])
    // Of equal scores the leftmost pair.
    #expect(
      try Self.names(Self.scored([("ab", 0), ("bc", 0)]), "abcbc")
        == ["\u{2581}", "ab", "c", "bc"])
    #expect(try Self.names(Self.scored([("aa", 0)]), "aaa") == ["\u{2581}", "aa", "a"])
  }

  @Test func charactersWithoutATokenBecomeBytes() throws {
    #expect(
      try Self.names(Self.scored([]), "a\u{e9}") == ["\u{2581}", "a", "<0xC3>", "<0xA9>"])
    // A byte's name in the text is text.
    #expect(try Self.names(Self.scored([]), "<0x41>").count == 7)
  }

  @Test func spaceInFrontIsAsTheFileSays() throws {
    var vocabulary = Self.scored([])
    vocabulary.addsSpacePrefix = false
    #expect(try Self.names(vocabulary, "a b") == ["a", "\u{2581}", "b"])
    let tokenizer = try Tokenizer(TokenizerDefinition(Self.scored([])))
    #expect(try tokenizer.encode("a") == [1, 259, 260])
  }

  @Test func scoresAreWrittenAsMergesAndBack() throws {
    let vocabulary = Self.scored([("ab", -1), ("\u{2581}a", -2), ("\u{2581}ab", -3), ("cc", -4)])
    let definition = try TokenizerDefinition(vocabulary)
    let json = try TokenizerDefinition(tokenizerJSON: definition.tokenizerJSON())
    for text in ["abc", " ab cc", "ccc aab", "x<s>y"] {
      let ids = try Tokenizer(definition).encode(text)
      #expect(try Tokenizer(json).encode(text) == ids)
      var again = json
      again.beginOfText = 1
      again.endOfText = [2]
      #expect(try Tokenizer(TokenizerDefinition(again.ggufVocabulary())).encode(text) == ids)
    }
    let tied = try TokenizerDefinition(Self.scored([("ab", -1), ("bc", -1)]))
    let error = try #require(throws: InputError.self) { try tied.tokenizerJSON() }
    #expect(error.found.contains("for another token too"))
  }

  /// The library tokenizers numbers added tokens anew if the vocabulary does not have them.
  @Test func controlTokensAtTheStartAreWrittenIntoTheVocabulary() throws {
    var vocabulary = try TokenizerDefinition(folder: Golden.folder).ggufVocabulary()
    let before = try TokenizerDefinition(vocabulary).tokenizerJSON()
    #expect(try JSONValue(parsing: before)["model"]?["vocab"]?["<|eot_id|>"] == nil)
    vocabulary.types?[0] = 3
    let after = try TokenizerDefinition(vocabulary).tokenizerJSON()
    #expect(try JSONValue(parsing: after)["model"]?["vocab"]?["<|eot_id|>"] == 316)
    #expect(try JSONValue(parsing: after)["model"]?["vocab"]?["!"] == 0)
  }

  @Test func glueBeforeControlTokensIsLeftOutWithAWarning() throws {
    var vocabulary = try TokenizerDefinition(folder: Golden.folder).ggufVocabulary()
    let right = vocabulary.tokens
    vocabulary.tokens = TokenTable(
      (0..<right.count).map { ($0 > 312 ? right.text(312) : "") + right.text($0) })
    let definition = try TokenizerDefinition(vocabulary)
    #expect(definition.tokens == right)
    #expect(definition.warnings.count == 1)
    #expect(try Tokenizer(definition).endOfGeneration == [313, 316])
  }

  @Test func aMissingPreTokenizerIsRefusedButForLlama3() throws {
    var vocabulary = try TokenizerDefinition(folder: Golden.folder).ggufVocabulary()
    vocabulary.pre = nil
    let error = try #require(throws: InputError.self) { try TokenizerDefinition(vocabulary) }
    #expect(error.source.hasSuffix("tokenizer.ggml.pre"))
    for id in vocabulary.tokens.count..<128_256 { vocabulary.tokens.append("[PAD\(id)]".utf8) }
    vocabulary.types?.append(contentsOf: Array(repeating: 5, count: 128_256 - 320))
    let definition = try TokenizerDefinition(vocabulary)
    #expect(definition.warnings.count == 1)
    #expect(definition.preTokenizers.first == .split(.llama3))
    #expect(try Tokenizer(definition).encode("the") == [312, 257])
  }

  struct Wrong: CustomTestStringConvertible, Sendable {
    let name: String
    let expected: String
    let change: @Sendable (inout GGUFVocabulary) -> Void
    var testDescription: String { name }
  }

  static let wrong = [
    Wrong(name: "model", expected: "gpt2 or llama") { $0.model = "bert" },
    Wrong(name: "pre", expected: "llama-bpe") { $0.pre = "tekken" },
    Wrong(name: "twice", expected: "it once") {
      $0.tokens.append("a".utf8); $0.types?.append(1)
    },
    Wrong(name: "empty", expected: "1 to") {
      $0.tokens.append([]); $0.types?.append(1)
    },
    Wrong(name: "utf8", expected: "UTF-8") {
      $0.tokens.append([0xff]); $0.types?.append(1)
    },
    Wrong(name: "types", expected: "one for each token") { $0.types?.append(1) },
    Wrong(name: "type", expected: "1 to 6") { $0.types?[0] = 7 },
    Wrong(name: "merges", expected: "the merges") { $0.merges = nil },
    Wrong(name: "merge", expected: "two tokens") { $0.merges?.append("zz qq".utf8) },
    Wrong(name: "half merge", expected: "two tokens") { $0.merges?.append("a".utf8) },
    Wrong(name: "bos", expected: "an id of the vocabulary") { $0.beginOfText = 320 },
    Wrong(name: "eos", expected: "an id of the vocabulary") { $0.endOfText = -1 },
    Wrong(name: "no bos", expected: "an id") { $0.beginOfText = nil },
    Wrong(name: "scores", expected: "one for each token") {
      $0.model = "llama"; $0.scores = [1]
    },
    Wrong(name: "no tokens", expected: "1 to") {
      $0.tokens = TokenTable(); $0.types = nil
    },
  ]

  @Test(arguments: wrong)
  func whatIsWrongIsOneClearError(wrong: Wrong) throws {
    var vocabulary = try TokenizerDefinition(folder: Golden.folder).ggufVocabulary()
    wrong.change(&vocabulary)
    let error = try #require(throws: InputError.self) {
      try Tokenizer(TokenizerDefinition(vocabulary, source: "x.gguf"))
    }
    #expect(error.expected.contains(wrong.expected), "\(error)")
    #expect(error.source.hasPrefix("x.gguf"))
    #expect(!error.description.contains("\n"))
  }

  @Test func scoresThatAreNoNumbersAreRefused() throws {
    let vocabulary = Self.scored([("ab", .nan)])
    let error = try #require(throws: InputError.self) {
      try Tokenizer(TokenizerDefinition(vocabulary))
    }
    #expect(error.found.contains("NaN"))
  }
}
