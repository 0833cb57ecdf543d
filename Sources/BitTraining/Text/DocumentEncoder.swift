import BitCore
import BitFiles
import BitTokenizers

/// Turns documents into tokens.
struct DocumentEncoder: Sendable {
  private let tokenizer: Tokenizer
  private let template: ChatTemplate?
  private let endOfText: Int32
  /// Whether prompts are read but not learned.
  private let masksPrompts: Bool

  /// The tokens of a document.
  struct Encoded: Sendable {
    /// The tokens.
    var ids: [Int32]
    /// How many of the first ones are a prompt, which is not learned.
    var promptCount = 0
  }

  /// An encoder.
  ///
  /// - Throws: `InputError` if the tokenizer has no token that ends a text, or a chat template that
  ///   cannot be read.
  init(_ tokenizer: Tokenizer, masksPrompts: Bool) throws(InputError) {
    guard let end = tokenizer.endOfText.first else {
      throw InputError(
        .missing, source: tokenizer.definition.source, found: "no token that ends a text",
        expected: "one, which goes between documents")
    }
    self.tokenizer = tokenizer
    self.masksPrompts = masksPrompts
    endOfText = end
    template = try tokenizer.definition.chatTemplate.map { (text) throws(InputError) in
      try ChatTemplate(text, name: "the chat template of \(tokenizer.definition.source)")
    }
  }

  /// The tokens of a document, as mlx_lm and transformers make them of it.
  ///
  /// - A text: what the tokenizer makes of it, and the token that ends a text; nothing of a text
  ///   without a character.
  /// - A conversation: what the chat template prints, without anything before or after it unless it
  ///   has no token that ends an answer. The prompt is everything before the last answer.
  /// - A prompt with its completion: with a chat template, a conversation of two messages; without
  ///   one, the two one after the other and the token that ends a text.
  func encode(_ document: TextDocument) throws(InputError) -> Encoded {
    do throws(InputError) {
      switch document.content {
      case .text(let text):
        return text.isEmpty
          ? Encoded(ids: []) : ended(Encoded(ids: try tokenizer.encode(text)))
      case .completion(let prompt, let completion):
        if let template {
          let messages = [
            ChatMessage(role: "user", content: prompt),
            ChatMessage(role: "assistant", content: completion),
          ]
          return try encode(messages, tools: nil, template)
        }
        let first = try tokenizer.encode(prompt)
        let second = try tokenizer.encode(completion, addSpecialTokens: false)
        return ended(Encoded(ids: first + second, promptCount: masksPrompts ? first.count : 0))
      case .messages(let messages, let tools):
        guard let template else {
          throw InputError(
            .missing, source: tokenizer.definition.source, found: "no chat template",
            expected: "one, since there are messages")
        }
        return try encode(messages, tools: tools, template)
      }
    } catch {
      throw error.inside(document.source)
    }
  }

  private func encode(
    _ messages: [ChatMessage], tools: [JSONValue]?, _ template: ChatTemplate
  ) throws(InputError) -> Encoded {
    let text = try render(messages, tools, template, isPrompt: false)
    guard masksPrompts else {
      return endedByTemplate(
        Encoded(ids: try tokenizer.encode(text, addSpecialTokens: false)), from: 0)
    }
    guard messages.count > 1, let last = messages.last, last.role == "assistant" else {
      throw InputError(
        .mismatch, source: "messages",
        found: messages.count < 2 ? "one message" : "a last message of another role",
        expected: "a prompt, and at last a message of the role \"assistant\"")
    }
    let prompt = try render(messages.dropLast(), tools, template, isPrompt: true)
    guard text.utf8.starts(with: prompt.utf8) else {
      throw InputError(
        .mismatch, source: "messages",
        found: "a prompt by the chat template that is not the beginning of the conversation",
        expected: "a chat template that prints the same with and without the last answer")
    }
    // Encoded apart, as the model gets them when it answers.
    let first = try tokenizer.encode(prompt, addSpecialTokens: false)
    let rest = String(decoding: text.utf8.dropFirst(prompt.utf8.count), as: UTF8.self)
    let second = try tokenizer.encode(rest, addSpecialTokens: false)
    return endedByTemplate(
      Encoded(ids: first + second, promptCount: first.count), from: first.count)
  }

  private func render(
    _ messages: [ChatMessage], _ tools: [JSONValue]?, _ template: ChatTemplate, isPrompt: Bool
  ) throws(InputError) -> String {
    try template.render(
      messages: messages.map(\.json), tools: tools, addGenerationPrompt: isPrompt,
      bosToken: tokenizer.beginOfText.flatMap(tokenizer.name),
      eosToken: tokenizer.name(of: endOfText))
  }

  /// Ends a document with the token for that, unless the tokenizer has done so.
  private func ended(_ encoded: Encoded) -> Encoded {
    var encoded = encoded
    if encoded.ids.last != endOfText { encoded.ids.append(endOfText) }
    return encoded
  }

  /// Ends a conversation in which nothing from a place on says that the answer is over.
  private func endedByTemplate(_ encoded: Encoded, from start: Int) -> Encoded {
    encoded.ids[start...].contains(where: tokenizer.isEndOfGeneration) ? encoded : ended(encoded)
  }
}
