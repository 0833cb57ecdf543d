import BitCore
import BitFiles
import Testing

@testable import BitTokenizers

/// Definitions that are written and read again.
@Suite struct DefinitionRoundTripTests {
  static let texts = [
    "", " ", "Hello, world!  It's 12345 o'clock\n\n\tend ", "<|begin_of_text|>hi<|eot_id|>",
    "caf\u{e9} e\u{301} \u{65e5}\u{672c} \u{1f642}\u{200d}\u{1f525}", "a <L> b", "word word_",
    "IT'S",
  ]

  @Test(arguments: try Golden.small.get().filter { $0.expect == "load" })
  func tokenizerJSONSaysTheSameAgain(small: Golden.Small) throws {
    let definition = try Golden.definition(small)
    let again = try TokenizerDefinition(tokenizerJSON: definition.tokenizerJSON())
    #expect(again.tokens == definition.tokens)
    #expect(again.model == definition.model)
    #expect(again.addedTokens == definition.addedTokens)
    #expect(again.normalizers == definition.normalizers)
    #expect(again.preTokenizers == definition.preTokenizers)
    #expect(again.postProcessors == definition.postProcessors)
    #expect(again.decoders == definition.decoders)
  }

  @Test func theFilesBesideSayTheSameAgain() throws {
    var definition = try TokenizerDefinition(folder: Golden.folder)
    definition.endOfText = [313, 316]
    definition.padding = 317
    let files = try TokenizerFolder(
      tokenizerConfig: definition.tokenizerConfigJSON(),
      generationConfig: definition.generationConfigJSON())
    let again = try TokenizerDefinition(tokenizerJSON: definition.tokenizerJSON(), files: files)
    #expect(again.beginOfText == 312)
    #expect(again.endOfText == [313, 316])
    #expect(again.padding == 317)
    #expect(again.chatTemplate == definition.chatTemplate)
    #expect(again.configuration["model_max_length"] == 131072)
  }

  /// Files that GGUF can express.
  @Test(arguments: ["llama3-ignore-merges.json", "qwen2-nfc.json", "smollm-digits.json"])
  func ggufGivesTheSameIDs(name: String) throws {
    let small = try #require(try Golden.small.get().first { $0.name == name })
    var definition = try Golden.definition(small)
    // What a folder's tokenizer_config.json says.
    definition.beginOfText = name.hasPrefix("llama3") ? 502 : nil
    let vocabulary = try definition.ggufVocabulary()
    let again = try TokenizerDefinition(vocabulary)
    let tokenizer = try Tokenizer(again)
    for golden in small.cases ?? [] {
      #expect(try tokenizer.encode(golden.text) == golden.ids)
      #expect(isSame(tokenizer.decode(golden.idsWithoutSpecial), golden.decoded ?? golden.text))
    }
    let back = try again.ggufVocabulary()
    #expect(back.tokens == vocabulary.tokens)
    #expect(back.merges == vocabulary.merges)
    #expect(back.types == vocabulary.types)
    #expect(back.pre == vocabulary.pre)
    #expect(back.addsBeginOfText == vocabulary.addsBeginOfText)
    // And from there to a tokenizer.json.
    let json = try Tokenizer(TokenizerDefinition(tokenizerJSON: again.tokenizerJSON()))
    for golden in small.cases ?? [] { #expect(try json.encode(golden.text) == golden.ids) }
  }

  @Test(arguments: [
    ("gpt2-add-prefix-space.json", "llama.cpp has no name"),
    ("mistral-metaspace-first.json", "GGUF cannot express"),
    ("metaspace-always-split.json", "GGUF cannot express"),
    ("spm-fuse-unk-no-bytes.json", "without tokens of all bytes"),
    ("added-token-flags.json", "lstrip, rstrip or single_word"),
    // Trained with one merge for each token, where scores would allow others.
    ("llama2-prepend-replace.json", "no merge of"),
  ])
  func whatGGUFCannotExpressIsAnError(name: String, found: String) throws {
    let small = try #require(try Golden.small.get().first { $0.name == name })
    let definition = try Golden.definition(small)
    let error = try #require(throws: InputError.self) { try definition.ggufVocabulary() }
    #expect(error.kind == .unsupported)
    #expect(error.found.contains(found))
  }

  @Test func theNameDecidesAboutIgnoreMergesOnlyWhereThatChangesNothing() throws {
    let small = try #require(
      try Golden.small.get().first { $0.name == "llama3-ignore-merges.json" })
    var definition = try Golden.definition(small)
    definition.beginOfText = 502
    // Two entries of this file are reached by ignore_merges only.
    definition.model.ignoresMerges = false
    let error = try #require(throws: InputError.self) { try definition.ggufVocabulary() }
    #expect(error.found.contains("to which no merges lead"))
    let tiny = try TokenizerDefinition(folder: Golden.folder)
    var other = tiny
    other.model.ignoresMerges = false
    #expect(try other.ggufVocabulary().pre == "llama-bpe")
  }

  @Test func theTinyModelsGGUFHasItsSpecialTokens() throws {
    let vocabulary = try TokenizerDefinition(folder: Golden.folder).ggufVocabulary()
    #expect(vocabulary.model == "gpt2")
    #expect(vocabulary.pre == "llama-bpe")
    #expect(vocabulary.beginOfText == 312)
    #expect(vocabulary.endOfText == 313)
    #expect(vocabulary.addsBeginOfText == true)
    #expect(vocabulary.addsEndOfText == false)
    #expect(vocabulary.types?[312] == 3)
    #expect(vocabulary.types?[64] == 1)
    #expect(vocabulary.chatTemplate?.isEmpty == false)
    let tokenizer = try Tokenizer(TokenizerDefinition(vocabulary))
    #expect(tokenizer.endOfGeneration == [313, 316])
    #expect(try tokenizer.encode("<|begin_of_text|>") == [312, 312])
  }
}
