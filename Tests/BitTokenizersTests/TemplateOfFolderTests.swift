import BitCore
import BitTokenizers
import Testing

/// Where a tokenizer's chat template comes from.
struct TemplateOfFolderTests {
  private func definition(
    _ configuration: String?, file: String? = nil
  ) throws -> TokenizerDefinition {
    try TokenizerDefinition(
      tokenizerJSON: Golden.bytes("tokenizer.json"),
      files: TokenizerFolder(
        tokenizerConfig: configuration.map { Array($0.utf8) }, chatTemplate: file))
  }

  @Test("The file comes before the configuration, and of several templates the default counts")
  func precedence() throws {
    let several =
      #"{"chat_template":[{"name":"tool_use","template":"t"},{"name":"default","template":"d"}]}"#
    #expect(try definition(nil).chatTemplate == nil)
    #expect(try definition(#"{"chat_template":null}"#).chatTemplate == nil)
    #expect(try definition(#"{"chat_template":"a"}"#).chatTemplate == "a")
    #expect(try definition(#"{"chat_template":"a"}"#, file: "f").chatTemplate == "f")
    let both = try definition(several)
    #expect(both.chatTemplate == "d")
    #expect(both.namedChatTemplates.map(\.name) == ["tool_use"])
    #expect(both.namedChatTemplates.map(\.text) == ["t"])
  }

  @Test(
    "Templates that are none are refused",
    arguments: [#"{"chat_template":1}"#, #"{"chat_template":[{"name":"default"}]}"#])
  func refusals(_ configuration: String) throws {
    #expect(throws: InputError.self) { try definition(configuration) }
  }
}
