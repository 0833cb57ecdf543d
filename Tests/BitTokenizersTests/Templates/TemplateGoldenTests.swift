import BitCore
import BitFiles
import BitTokenizers
import Foundation
import Testing

/// What Jinja2 prints, set up as Hugging Face's transformers do.
struct TemplateGolden: Sendable {
  static let date = TemplateDate(year: 2026, month: 11, day: 25, hour: 14, minute: 5, second: 9)

  static func read(_ name: String) throws -> JSONValue {
    let url = Bundle.module.url(
      forResource: name, withExtension: nil, subdirectory: "Golden/chat")
    return try JSONValue(parsing: Array(Data(contentsOf: #require(url))), source: name)
  }

  /// Compares what a template gives with a case of the file.
  static func expect(_ golden: JSONValue, _ comment: Comment, _ render: () throws -> String) throws
  {
    guard golden["error"] == nil else {
      let error = #expect(throws: InputError.self, comment, performing: render)
      if golden["error"]?.stringValue == "raise_exception" {
        #expect(error?.found == golden["message"]?.stringValue, comment)
        #expect(error?.kind == .mismatch && error?.source.contains("line ") == true, comment)
      }
      return
    }
    let text = try #require(golden["text"]?.stringValue)
    let rendered = try render()
    #expect(Array(rendered.utf8) == Array(text.utf8), comment)
  }
}

@Suite struct TemplateGoldenTests {
  @Test func `templates of models print what Jinja2 prints`() throws {
    let golden = try TemplateGolden.read("templates.json")
    let conversations = try #require(golden["conversations"]?.arrayValue)
    var cases = 0
    for template in try #require(golden["templates"]?.arrayValue) {
      let source = try #require(template["template"]?.stringValue)
      let parsed = try ChatTemplate(source)
      for golden in try #require(template["cases"]?.arrayValue) {
        let name = golden["conversation"]
        let conversation = try #require(conversations.first { $0["name"] == name })
        var variables: JSONObject = ["unk_token": "<unk>", "pad_token": "<pad>"]
        for member in conversation["extra"]?.objectValue ?? [:] {
          variables[member.key] = member.value
        }
        let prompt = golden["add_generation_prompt"] == true
        let comment: Comment = "\(template["name"] ?? nil) \(name ?? nil) \(prompt)"
        try TemplateGolden.expect(golden, comment) {
          try parsed.render(
            messages: conversation["messages"]?.arrayValue ?? [],
            tools: conversation["tools"]?.arrayValue, addGenerationPrompt: prompt,
            bosToken: "<|bos|>", eosToken: "<|eos|>", variables: variables,
            date: TemplateGolden.date)
        }
        cases += 1
      }
    }
    #expect(cases == 552)
  }

  /// Tier 2 are parts of Jinja that no known template of a model uses.
  @Test func `small templates print what Jinja2 prints`() throws {
    let golden = try TemplateGolden.read("snippets.json")
    let context = try #require(golden["context"]?.objectValue)
    var refused: [String] = []
    for golden in try #require(golden["cases"]?.arrayValue) {
      let source = try #require(golden["template"]?.stringValue)
      do {
        try TemplateGolden.expect(golden, "\(source)") {
          try ChatTemplate(source).render(variables: context, date: TemplateGolden.date)
        }
      } catch let error as InputError where error.kind == .unsupported && golden["tier"] == 2 {
        refused.append(error.found)
      }
    }
    #expect(refused == ["the filter \"random\"", "the filter \"groupby\""])
  }

  /// Templates on the edges of the language, made by Golden/chat/make_more.py.
  @Test func `templates on the edges print what Jinja2 prints`() throws {
    let golden = try TemplateGolden.read("more.json")
    let context = try #require(golden["context"]?.objectValue)
    let cases = try #require(golden["cases"]?.arrayValue)
    #expect(cases.count > 150)
    for golden in cases {
      let source = try #require(golden["template"]?.stringValue)
      try TemplateGolden.expect(golden, "\(source)") {
        try ChatTemplate(source).render(variables: context, date: TemplateGolden.date)
      }
    }
  }

  @Test func `messages with a role and a content need no JSON`() throws {
    let template = try ChatTemplate(
      "{{ bos_token }}{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}{{ mode }}")
    var tool = ChatMessage(role: "tool", content: "2")
    tool.members = ["content": ["a", "b"]]
    let text = try template.render(
      messages: [ChatMessage(role: "user", content: "1 \u{e9}"), tool], bosToken: "<s>",
      variables: ["mode": [true, 2, 0.5, "x", nil]])
    #expect(text == "<s>user:1 \u{e9};tool:['a', 'b'];[True, 2, 0.5, 'x', None]")
  }
}
