import BitCore
import BitTokenizers
import Testing

@testable import BitTraining

@Suite struct TokenDatasetTests {
  static let template = """
    {% for m in messages %}{{ m.role }}: {{ m.content }}<|endoftext|>
    {% endfor %}{% if add_generation_prompt %}assistant: {% endif %}
    """

  static func tokenizer(template: String? = nil) throws -> Tokenizer {
    var definition = TokenizerDefinition.bytes
    definition.chatTemplate = template
    return try Tokenizer(definition)
  }

  static func dataset(
    _ texts: [String], tokenizer: Tokenizer? = nil
  ) throws -> TokenDataset {
    try TokenDataset(
      TextCorpus(texts.map { TextDocument(text: $0) }), tokenizer: tokenizer ?? Self.tokenizer())
  }

  private func bytes(_ text: String) -> [Int32] { text.utf8.map { Int32($0) } }

  @Test func eachDocumentEnds() throws {
    let tokens = try Self.dataset(["ab", "", "\u{e9}<|endoftext|>", "c"])
    #expect(tokens.ids(0..<tokens.count) == [97, 98, 256, 0xc3, 0xa9, 256, 99, 256])
    #expect(tokens.documentCount == 3 && tokens.documentStarts == [0, 3, 6])
    #expect(tokens.vocabularySize == 257)
    #expect(tokens.size.tokens == 8 && tokens.size.characters == 4 && tokens.size.bytes == 5)
    #expect(tokens.learnedSize == tokens.size)
    #expect(tokens.summary == "text: 3 documents, 8 tokens, 4 characters")
  }

  @Test func promptsCanBeMasked() throws {
    let document = TextDocument(prompt: "2+2=", completion: "4")
    let plain = try TokenDataset(TextCorpus([document]), tokenizer: Self.tokenizer())
    #expect(plain.codes == bytes("2+2=4") + [256])
    let masked = try TokenDataset(
      TextCorpus([document]), tokenizer: Self.tokenizer(), masksPrompts: true)
    #expect(masked.ids(0..<6) == plain.codes)
    #expect(masked.codes == bytes("2+2=").map { ~$0 } + bytes("4") + [256])
    #expect(masked.learnedSize.characters == 1 && masked.size.characters == 5)
    #expect(masked.summary == "text: 1 document, 6 tokens of which 2 are learned, 5 characters")
    #expect(masked.checksum != plain.checksum)
    // A text is learned whole.
    let text = try TokenDataset(
      TextCorpus([TextDocument(text: "ab")]), tokenizer: Self.tokenizer(), masksPrompts: true)
    #expect(text.codes == [97, 98, 256])
  }

  @Test func conversationsAreMadeByTheTemplate() throws {
    let tokenizer = try Self.tokenizer(template: Self.template)
    let messages = [
      ChatMessage(role: "user", content: "Hi"), ChatMessage(role: "assistant", content: "Yes"),
    ]
    let prompt = try tokenizer.encode("user: Hi<|endoftext|>\nassistant: ")
    let answer = try tokenizer.encode("Yes<|endoftext|>\n")
    for document in [
      TextDocument(messages: messages), TextDocument(prompt: "Hi", completion: "Yes"),
    ] {
      let corpus = try TextCorpus([document])
      #expect(try TokenDataset(corpus, tokenizer: tokenizer).codes == prompt + answer)
      #expect(
        try TokenDataset(corpus, tokenizer: tokenizer, masksPrompts: true).codes
          == prompt.map { ~$0 } + answer)
    }
    // A template that does not end an answer: it is ended.
    let open = try Self.tokenizer(template: "{% for m in messages %}{{ m.content }} {% endfor %}")
    let corpus = try TextCorpus([TextDocument(messages: messages)])
    #expect(try TokenDataset(corpus, tokenizer: open).codes == bytes("Hi Yes ") + [256])
  }

  @Test func conversationsThatDoNotFitAreErrors() throws {
    let user = ChatMessage(role: "user", content: "Hi")
    let answer = ChatMessage(role: "assistant", content: "Yes")
    func error(
      _ messages: [ChatMessage], _ template: String?, masksPrompts: Bool = true
    ) throws -> InputError {
      let corpus = try TextCorpus([TextDocument(messages: messages, source: "d.jsonl, line 9")])
      return try #require(throws: InputError.self) {
        try TokenDataset(
          corpus, tokenizer: Self.tokenizer(template: template), masksPrompts: masksPrompts)
      }
    }
    for (found, source) in [
      (try error([user, answer], nil, masksPrompts: false).found, "no chat template"),
      (try error([user], Self.template).found, "one message"),
      (try error([answer, user], Self.template).found, "a last message of another role"),
      (
        try error([user, answer], "{{ messages | length }}").found,
        "a prompt by the chat template that is not the beginning of the conversation"
      ),
      (
        try error([user, answer], "{{ raise_exception('no') }}", masksPrompts: false).found,
        "no"
      ),
    ] { #expect(found.contains(source), "\(found)") }
    #expect(try error([user], Self.template).source.hasPrefix("d.jsonl, line 9"))
    // A tokenizer that does not say how a text ends.
    let silent = try Tokenizer(
      TokenizerDefinition(tokenizerJSON: TokenizerDefinition.bytes.tokenizerJSON()))
    #expect(throws: InputError.self) { try Self.dataset(["a"], tokenizer: silent) }
    #expect(throws: InputError.self) { try Self.dataset(["", ""]) }
  }

  /// More documents than are encoded at a time.
  @Test func manyDocumentsStayInOrder() throws {
    let texts = (0..<2100).map { "document \($0)" }
    let tokens = try Self.dataset(texts)
    let whole: [Int32] = texts.flatMap { bytes($0) + [256] }
    #expect(tokens.ids(0..<tokens.count) == whole)
    #expect(try tokens.checksum == Self.dataset(texts).checksum)
    #expect(try tokens.checksum != Self.dataset(texts.reversed()).checksum)
  }

  @Test(arguments: [(0.1, 1), (0.25, 2), (0.5, 3)] as [(Double, UInt64)])
  func manyDocumentsAreSplitWhole(share: Double, seed: UInt64) throws {
    let texts = (0..<300).map { "d\($0) " + String(repeating: "x", count: $0 * 37 % 50) }
    let tokens = try Self.dataset(texts)
    let (training, validation) = try tokens.split(validationShare: share, seed: seed)
    let documents = { (tokens: TokenDataset) in
      tokens.ids(0..<tokens.count).split(separator: 256).map {
        String(decoding: $0.map(UInt8.init), as: UTF8.self)
      }
    }
    let (first, second) = (documents(training), documents(validation))
    #expect(first.count == training.documentCount && second.count == validation.documentCount)
    #expect((first + second).sorted() == texts.sorted())
    let part = Double(validation.count) / Double(tokens.count)
    #expect(part <= share && part > share * 0.95)
    let again = try tokens.split(validationShare: share, seed: seed)
    #expect(again.validation.checksum == validation.checksum)
    let other = try tokens.split(validationShare: share, seed: seed + 1)
    #expect(other.validation.checksum != validation.checksum)
  }

  @Test func fewDocumentsAreSplitAtTheEnd() throws {
    let tokens = try Self.dataset([String(repeating: "ab", count: 100), "c", "defghi"])
    let (training, validation) = try tokens.split(validationShare: 0.2, seed: 0)
    #expect(training.codes + validation.codes == tokens.codes)
    #expect(validation.count == 42)
    #expect(training.documentStarts == [0])
    #expect(validation.documentStarts == [0, 33, 35])
    for share in [0, -0.1, 0.6, 1, .nan] {
      #expect(throws: InputError.self) { try tokens.split(validationShare: share, seed: 0) }
    }
    #expect(throws: InputError.self) {
      try Self.dataset(["a"]).split(validationShare: 0.1, seed: 0)
    }
  }
}
