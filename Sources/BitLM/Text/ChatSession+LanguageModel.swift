import BitCore
import BitTokenizers

extension ChatSession {
  /// A conversation with a model.
  ///
  /// - Parameters:
  ///   - model: the model, whose memory all its sessions share.
  ///   - instructions: what the model is told before the conversation, if its template has a place
  ///     for it.
  ///   - template: how the conversation looks to the model; nil for the model's own template.
  ///   - variables: what the template may look at beside the messages, such as `enable_thinking`.
  ///   - date: today, for templates that print it.
  ///   - options: how answers are generated.
  /// - Throws: `InputError` of kind `.missing` for a model without a tokenizer or a template, and for
  ///   a template that cannot be read.
  public convenience init(
    _ model: LanguageModel, instructions: String? = nil, template: ChatTemplate? = nil,
    variables: [String: TemplateVariable] = [:], date: TemplateDate? = nil,
    options: GenerationOptions = GenerationOptions()
  ) throws(InputError) {
    let chosen = if let template { template } else { try model.requiredChatTemplate() }
    let format = TemplateChatFormat(
      try model.requiredTokenizer(), chosen, variables: variables, date: date,
      endIDs: model.endIDs)
    self.init(model, format: format, instructions: instructions, options: options)
  }
}

extension LanguageModel {
  /// The chat template that came with the model.
  ///
  /// - Throws: `InputError` of kind `.missing` if there is none, and for one that cannot be read.
  public func requiredChatTemplate() throws(InputError) -> ChatTemplate {
    guard let text = try requiredTokenizer().definition.chatTemplate else {
      throw InputError(
        .missing, source: path, found: "no chat template",
        expected: "one with the tokenizer, or a template given by the caller: it is no chat model, "
          + "or its files are not all there")
    }
    return try ChatTemplate(text, name: "\(path), chat template")
  }
}
