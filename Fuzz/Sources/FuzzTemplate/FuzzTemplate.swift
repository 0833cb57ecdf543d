import BitCore
import BitTokenizers

/// Any text is a template that renders, or one that is refused by a typed error, within the limits.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTemplate(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let source = String(decoding: UnsafeBufferPointer(start: data, count: count), as: UTF8.self)
  guard let template = try? ChatTemplate(source) else { return 0 }
  let messages = [
    ChatMessage(role: "system", content: " You are \u{e9}\u{1f999}. "),
    ChatMessage(role: "user", content: "<think>\nHello\n</think>"),
    ChatMessage(role: "assistant", content: ""),
  ]
  let date = TemplateDate(year: 2026, month: 11, day: 25)
  let text = try? template.render(
    messages: messages, bosToken: "<s>", eosToken: "</s>",
    variables: ["x": 5, "f": 2.5, "s": "Hello World", "l": [3, "a", nil, [1, true]]], date: date)
  precondition(text?.utf8.count ?? 0 <= 1 << 24, "a text beyond the limit")
  return 0
}
