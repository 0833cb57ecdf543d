import BitCore
import BitTokenizers

/// How a model wants a conversation to look, and how its tokens become text.
package protocol ChatFormat: Sendable {
  /// The tokens that the model ends an answer with.
  var endIDs: Set<Int32> { get }
  /// The tokens of a conversation, and of the beginning of the model's next answer.
  func prompt(for messages: [ChatMessage]) throws(InputError) -> [Int32]
  /// A decoder for the tokens of an answer.
  func makeDecoder() -> any TokenTextDecoder
}

/// A conversation as a chat template prints it.
package struct TemplateChatFormat: ChatFormat {
  private let tokenizer: Tokenizer
  private let template: ChatTemplate
  private let variables: [String: TemplateVariable]
  private let date: TemplateDate?
  package let endIDs: Set<Int32>

  /// The format of a model's template and tokenizer.
  ///
  /// - Parameters:
  ///   - variables: What the template may look at beside the messages, such as `enable_thinking`.
  ///   - date: Today, for templates that print it.
  ///   - endIDs: The tokens that the model ends an answer with; nil for those of the tokenizer.
  package init(
    _ tokenizer: Tokenizer, _ template: ChatTemplate,
    variables: [String: TemplateVariable] = [:], date: TemplateDate? = nil,
    endIDs: Set<Int32>? = nil
  ) {
    self.tokenizer = tokenizer
    self.template = template
    self.variables = variables
    self.date = date
    self.endIDs = endIDs ?? tokenizer.endOfGeneration
  }

  package func prompt(for messages: [ChatMessage]) throws(InputError) -> [Int32] {
    let text = try template.render(
      messages: messages, bosToken: tokenizer.beginOfText.flatMap(tokenizer.name),
      eosToken: tokenizer.endOfText.first.flatMap(tokenizer.name), variables: variables,
      date: date)
    // The template has printed the special tokens; adding them again would double the first.
    return try tokenizer.encode(text, addSpecialTokens: false)
  }

  package func makeDecoder() -> any TokenTextDecoder {
    tokenizer.streamingDecoder(skipSpecialTokens: true)
  }
}

extension StreamingDecoder: TokenTextDecoder {}
