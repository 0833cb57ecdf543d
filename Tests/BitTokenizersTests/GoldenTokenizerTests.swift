import BitCore
import BitFiles
import Testing

@testable import BitTokenizers

@Suite struct GoldenTokenizerTests {
  @Test func thereAreAllCases() throws {
    let small = try Golden.small.get()
    #expect(small.filter { $0.expect == "load" }.count == 10)
    #expect(small.filter { $0.expect == "refuse" }.count == 6)
    #expect(try Golden.cases.get().cases.count == 167)
    #expect(try Golden.cases.get().streaming?.count == 157)
    #expect(try Golden.older.get().count == 32)
  }

  @Test(arguments: try Golden.small.get().filter { $0.expect == "load" })
  func idsTokensAndTextsAreThoseOfTheReference(small: Golden.Small) throws {
    let tokenizer = try Tokenizer(Golden.definition(small))
    #expect(small.cases?.isEmpty == false)
    for golden in small.cases ?? [] { try check(golden, tokenizer) }
  }

  private func check(_ golden: Golden.Case, _ tokenizer: Tokenizer) throws {
    let comment = Comment(rawValue: golden.text.debugDescription)
    #expect(try tokenizer.encode(golden.text) == golden.ids, comment)
    let ids = try tokenizer.encode(golden.text, addSpecialTokens: false)
    #expect(ids == golden.idsWithoutSpecial, comment)
    let names = ids.map { tokenizer.name(of: $0) ?? "none" }
    #expect(zip(names, golden.tokens ?? []).allSatisfy(isSame), comment)
    #expect(names.count == golden.tokens?.count ?? names.count)
    #expect(isSame(tokenizer.decode(ids), golden.decoded ?? golden.text), comment)
    let text = tokenizer.decode(ids, skipSpecialTokens: true)
    if let expected = golden.decoded_skip_special { #expect(isSame(text, expected), comment) }
  }

  @Test(arguments: try Golden.small.get().filter { $0.expect == "refuse" })
  func whatIsUnknownIsRefusedByName(small: Golden.Small) throws {
    let error = try #require(throws: InputError.self) {
      try Tokenizer(Golden.definition(small))
    }
    let names = [
      "refuse-wordpiece.json": "WordPiece", "refuse-unigram.json": "Unigram",
      "refuse-unknown-regex.json": #"\p{L}+|[^\p{L}]+"#.replacingBackslashes,
      "refuse-dropout.json": "dropout",
      "refuse-continuing-subword-prefix.json": "continuing_subword_prefix",
      "refuse-merge-out-of-vocab.json": "zz",
    ]
    let name = try #require(names[small.name])
    #expect(error.found.contains(name))
    #expect(error.source == small.name)
  }

  @Test func theTokenizerOfTheTinyModelsGivesTheReferencesIDs() throws {
    let tokenizer = try Golden.tokenizer.get()
    for golden in try Golden.cases.get().cases {
      let comment = Comment(rawValue: golden.text.debugDescription)
      #expect(try tokenizer.encode(golden.text, addSpecialTokens: false) == golden.ids, comment)
      #expect(try tokenizer.encode(golden.text) == [312] + golden.ids, comment)
      let asText = try tokenizer.encode(golden.text, addSpecialTokens: false, parseSpecial: false)
      #expect(asText == golden.ids_specials_as_text ?? golden.ids, comment)
      #expect(isSame(tokenizer.decode(golden.ids), golden.decoded ?? golden.text), comment)
    }
    for golden in try Golden.older.get() { try check(golden, tokenizer) }
  }

  @Test func streamedTextIsWholeCharacters() throws {
    let tokenizer = try Golden.tokenizer.get()
    for stream in try #require(try Golden.cases.get().streaming) {
      var decoder = tokenizer.streamingDecoder()
      let pieces = stream.ids.map { decoder.append($0) } + [decoder.finish()]
      #expect(pieces.count == stream.pieces.count)
      #expect(zip(pieces, stream.pieces).allSatisfy(isSame), "\(stream.why): \(stream.ids)")
      #expect(isSame(pieces.joined(), tokenizer.decode(stream.ids)))
    }
  }

  @Test func specialIDsAreThoseOfTheFilesBeside() throws {
    let tokenizer = try Golden.tokenizer.get()
    #expect(tokenizer.vocabularySize == 320)
    #expect(tokenizer.beginOfText == 312)
    #expect(tokenizer.endOfText == [313])
    #expect(tokenizer.endOfGeneration == [313, 316])
    #expect(tokenizer.isEndOfGeneration(316) && !tokenizer.isEndOfGeneration(64))
    #expect(tokenizer.isSpecial(312) && !tokenizer.isSpecial(64))
    #expect(tokenizer.definition.chatTemplate?.contains("Assistant: ") == true)
  }
}

extension String {
  /// The text with each backslash twice, as errors quote it.
  fileprivate var replacingBackslashes: String {
    String(flatMap { $0 == "\\" ? [$0, $0] : [$0] })
  }
}
