import ArgumentParser
import BitCore
import BitFiles
import BitLM
import BitTokenizers

/// The options that say how a conversation looks to the model.
struct ChatFlags: ParsableArguments {
  @Option(
    name: [.customLong("system"), .customLong("system-prompt")], parsing: .unconditional,
    help: ArgumentHelp("What the model is told before the conversation.", valueName: "text"))
  var system: String?

  @Option(
    name: [
      .customLong("template"), .customLong("chat-template"), .customLong("chat-template-file"),
    ], parsing: .unconditional,
    help: ArgumentHelp(
      """
      The chat template: \(ChatTemplate.builtInNames.joined(separator: ", ")), or a file in the \
      language Jinja. (default: the model's own)
      """, valueName: "name"))
  var template: String?

  func validate() throws {
    guard template != "" else { throw ValidationError("The name of '--template' is empty.") }
  }

  /// The template that was asked for; nil for the model's own.
  func readTemplate() throws(InputError) -> ChatTemplate? {
    guard let template else { return nil }
    if ChatTemplate.builtInNames.contains(where: { $0.utf8.elementsEqual(template.utf8) }) {
      return try ChatTemplate.named(template)
    }
    guard try FileSystem.FileKind(path: template) != nil else {
      throw InputError(
        .missing, source: "--template", found: ErrorText.quoted(template),
        expected: "a file or one of \(ChatTemplate.builtInNames.joined(separator: ", "))")
    }
    return try ChatTemplate(TextInput(path: template).text(), name: template)
  }

  /// The tokens of a conversation of one message.
  func ids(of message: String, _ model: LanguageModel) throws(InputError) -> [Int32] {
    let chosen =
      if let template = try readTemplate() { template } else {
        try model.requiredChatTemplate()
      }
    let format = TemplateChatFormat(try model.requiredTokenizer(), chosen, date: Self.today)
    let instructions = system.map { [ChatMessage(role: "system", content: $0)] } ?? []
    return try format.prompt(for: instructions + [ChatMessage(role: "user", content: message)])
  }

  /// The local date and time.
  static var today: TemplateDate {
    var now = time(nil)
    var local = tm()
    localtime_r(&now, &local)
    return TemplateDate(secondsSince1970: Int(now), secondsFromUTC: Int(local.tm_gmtoff))
  }
}
