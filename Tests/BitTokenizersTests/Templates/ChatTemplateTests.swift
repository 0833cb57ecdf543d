import BitCore
import BitFiles
import BitTokenizers
import Testing

@Suite struct ChatTemplateTests {
  private static let messages = [
    ChatMessage(role: "system", content: "Be brief."), ChatMessage(role: "user", content: " Hi "),
  ]

  @Test(arguments: [
    (
      "chatml",
      "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Hi <|im_end|>\n"
        + "<|im_start|>assistant\n"
    ),
    (
      "llama3",
      "<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|>"
        + "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
        + "<|start_header_id|>assistant<|end_header_id|>\n\n"
    ),
    ("zephyr", "<|system|>\nBe brief.</s>\n<|user|>\n Hi </s>\n<|assistant|>\n"),
    ("falcon3", "<|system|>\nBe brief.\n<|user|>\n Hi \n<|assistant|>\n"),
    ("bitnet", "<s>System: Be brief.<|eot_id|>User: Hi<|eot_id|>Assistant: "),
  ])
  func `a built-in template prints its marks`(name: String, text: String) throws {
    #expect(ChatTemplate.builtInNames.contains(name))
    let template = try ChatTemplate.named(name)
    let rendered = try template.render(messages: Self.messages, bosToken: "<s>", eosToken: "</s>")
    #expect(rendered == text)
    let unfinished = try template.render(
      messages: Self.messages, addGenerationPrompt: false, bosToken: "<s>", eosToken: "</s>")
    #expect(text.hasPrefix(unfinished) && unfinished.utf8.count < text.utf8.count)
  }

  @Test func `an unknown name is an error that lists the names`() {
    let error = #expect(throws: InputError.self) { try ChatTemplate.named("x") }
    #expect(
      error?.description == "chat template: found the name \"x\", expected one of "
        + "chatml, llama3, zephyr, falcon3, bitnet")
  }

  @Test func `zero and the smallest numbers have decimals like all others`() throws {
    let template = try ChatTemplate(
      "{{ '%.2f|%.1f|%.3f' % (0, -0.0, 5e-324) }}|{{ 0.0 | round(1) }}")
    #expect(try template.render(messages: [ChatMessage]()) == "0.00|-0.0|0.000|0.0")
  }

  @Test func `a clock gives a date`() throws {
    #expect(
      TemplateDate(secondsSince1970: 1_795_615_509)
        == TemplateDate(year: 2026, month: 11, day: 25, hour: 14, minute: 5, second: 9))
    #expect(
      TemplateDate(secondsSince1970: -1, secondsFromUTC: -3600)
        == TemplateDate(year: 1969, month: 12, day: 31, hour: 22, minute: 59, second: 59))
    #expect(
      TemplateDate(secondsSince1970: 951_782_400) == TemplateDate(year: 2000, month: 2, day: 29))
    #expect(TemplateDate(secondsSince1970: .min).year == 1)
    #expect(
      TemplateDate(secondsSince1970: .max)
        == TemplateDate(year: 9999, month: 12, day: 31, hour: 23, minute: 59, second: 59))
  }

  @Test func `without a date there is no strftime_now`() throws {
    let template = try ChatTemplate("{{ strftime_now is defined }}")
    #expect(try template.render(messages: []) == "False")
    #expect(try template.render(messages: [], date: TemplateGolden.date) == "True")
  }

  /// Swift takes "\u{e9}" and "e\u{301}" for the same.
  @Test func `messages are compared byte for byte`() {
    let message = ChatMessage(role: "user", content: "\u{e9}")
    #expect(message == ChatMessage(role: "user", content: "\u{e9}"))
    #expect(message != ChatMessage(role: "user", content: "e\u{301}"))
    #expect(message != ChatMessage(role: "user", content: "\u{e9}", members: ["name": "x"]))
  }
}
