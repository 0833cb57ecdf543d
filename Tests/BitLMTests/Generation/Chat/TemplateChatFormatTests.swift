import BitTokenizers
import Testing

@testable import BitLM

@Suite("Chats with a template and a tokenizer")
struct TemplateChatFormatTests {
  static let source =
    "{{ bos_token }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
    + "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"

  static func format(_ tokenizer: Tokenizer) throws -> TemplateChatFormat {
    TemplateChatFormat(tokenizer, try ChatTemplate(Self.source))
  }

  @Test("The template's marks become special tokens, the mark of the beginning once")
  func prompt() throws {
    let tokenizer = try ByteTokenizer.make()
    let ids = try Self.format(tokenizer).prompt(for: [ChatMessage(role: "user", content: "hé")])
    var expected: [Int32] = [256, 257]
    expected += "user\nhé".utf8.map { Int32($0) } + [258, 10, 257]
    expected += "assistant\n".utf8.map { Int32($0) }
    #expect(ids == expected)
    #expect(ids.filter { $0 == 256 }.count == 1)
  }

  @Test("An answer comes in whole scalars and ends with the end of the turn")
  func answer() async throws {
    let tokenizer = try ByteTokenizer.make()
    let format = try Self.format(tokenizer)
    #expect(format.endIDs.contains(258))
    let prompt = try format.prompt(for: [ChatMessage(role: "user", content: "hi")])
    let text = "Grüße 👋 STOP"
    var fixed: [Int: [Float]] = [:]
    for (place, id) in (text.utf8.map { Int($0) } + [258]).enumerated() {
      fixed[prompt.count + place] = (0..<259).map { $0 == id ? 9 : 0 }
    }
    let model = FakeModel(vocabularySize: 259, fixed: fixed)
    let session = ChatSession(
      model, format: format, options: GenerationOptions(sampling: .greedy, stopStrings: ["STOP!"]))
    var pieces: [String] = []
    for try await piece in session.streamResponse(to: "hi") { pieces.append(piece.text) }
    #expect(pieces == ["G", "r", "ü", "ß", "e", " ", "👋", " ", "STOP"])
    #expect(session.messages.last == ChatMessage(role: "assistant", content: text))
    let result = try #require(session.lastResult)
    #expect(result.finishReason == .stop && result.tokens.count == text.utf8.count)

    session.reset()
    session.options.stopStrings = ["👋 S"]
    #expect(try await session.respond(to: "hi") == "Grüße ")
    #expect(session.lastResult?.stopString == "👋 S")
  }
}
