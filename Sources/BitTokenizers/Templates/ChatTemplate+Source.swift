import BitCore
import BitFiles

extension ChatTemplate {
  /// The source of a template in a Hugging Face folder; nil if there is none.
  ///
  /// The file `chat_template.jinja` comes first. Without it, `chat_template` in
  /// tokenizer_config.json is one template, or a list of several with names, of which "default" is
  /// for conversations without tools, and for those with tools if there is no "tool_use".
  ///
  /// - Parameters:
  ///   - configuration: The content of tokenizer_config.json, if the folder has it.
  ///   - file: The bytes of chat_template.jinja, if the folder has it.
  ///   - folder: The name of the folder for errors.
  ///   - name: Which of several templates.
  /// - Throws: ``InputError`` if there are templates, but none of that name, or if they are not what
  ///   they should be.
  package static func source(
    configuration: JSONValue?, file: [UInt8]?, folder: String, named name: String = "default"
  ) throws(InputError) -> String? {
    if let file {
      guard let text = String(validating: file, as: UTF8.self) else {
        throw InputError(
          .malformed, source: "\(folder)/chat_template.jinja", found: "invalid UTF-8",
          expected: "a template in UTF-8")
      }
      return text
    }
    let source = "\(folder)/tokenizer_config.json, chat_template"
    switch configuration?["chat_template"] ?? .null {
    case .null: return nil
    case .string(let text): return text
    case .array(let templates):
      if templates.isEmpty { return nil }
      var names: [String] = []
      for template in templates {
        guard let found = template["name"]?.stringValue,
          let text = template["template"]?.stringValue
        else {
          throw InputError(
            .malformed, source: source, found: ErrorText.short(template),
            expected: "an object with the strings \"name\" and \"template\"")
        }
        if ByteKey(found) == ByteKey(name) { return text }
        names.append(ErrorText.quoted(found))
      }
      throw InputError(
        .missing, source: source,
        found: "templates named \(names.prefix(8).joined(separator: ", "))",
        expected: "one named \(ErrorText.quoted(name))")
    case let other:
      throw InputError(
        .malformed, source: source, found: other.kindName,
        expected: "a template or a list of templates")
    }
  }
}
