import BitCore
import BitFiles
import BitTokenizers

/// A text that a language model learns from.
public struct TextDocument: Sendable, Equatable {
  /// The forms of documents.
  package enum Content: Sendable, Equatable {
    /// Text that is learned whole.
    case text(String)
    /// What is asked, and what is to be answered.
    case completion(prompt: String, completion: String)
    /// A conversation with descriptions of tools, if there are any.
    case messages([ChatMessage], tools: [JSONValue]?)
  }

  /// The document.
  package var content: Content
  /// Where it comes from, for errors: the file, with the line if it is one of many.
  public var source: String

  package init(_ content: Content, source: String) {
    self.content = content
    self.source = source
  }

  /// A text that is learned whole.
  public init(text: String, source: String = "text") {
    self.init(.text(text), source: source)
  }

  /// A prompt with what is to be answered.
  public init(prompt: String, completion: String, source: String = "text") {
    self.init(.completion(prompt: prompt, completion: completion), source: source)
  }

  /// A conversation, whose text a chat template makes.
  public init(messages: [ChatMessage], source: String = "text") {
    self.init(.messages(messages, tools: nil), source: source)
  }

  /// The parts of the document that somebody wrote, without the marks of a chat template: what a
  /// vocabulary is learned from.
  public var texts: [String] {
    switch content {
    case .text(let text): [text]
    case .completion(let prompt, let completion): [prompt, completion]
    case .messages(let messages, _): messages.map(\.content)
    }
  }
}

extension TextDocument {
  /// The document of a line of JSONL.
  ///
  /// The members are those of mlx_lm, and what comes first here counts: `messages` with a list of
  /// messages and perhaps `tools`, `prompt` with `completion`, `text`. Others are left out.
  ///
  /// - Throws: `InputError` that names `source`, for a line that is no JSON object, has none of these
  ///   members, or one of another type.
  init(line bytes: UnsafeRawBufferPointer, source: String) throws(InputError) {
    guard bytes.count <= TextLimits.lineBytes else {
      throw InputError(
        .unsupported, source: source, found: "a line of \(bytes.count) bytes",
        expected: "at most \(TextLimits.lineBytes)")
    }
    let json = try JSONValue(
      parsing: bytes, source: source, options: JSONOptions(maximumValues: TextLimits.lineValues))
    guard let object = json.objectValue else {
      throw InputError(
        .malformed, source: source, found: ErrorText.short(json), expected: "a JSON object")
    }
    func text(_ key: String) throws(InputError) -> String {
      guard let value = object[key] else {
        throw InputError(
          .malformed, source: source, found: "no \"\(key)\"", expected: "a string of that name")
      }
      guard let text = value.stringValue else {
        throw InputError(
          .malformed, source: source, found: "\"\(key)\" that is \(value.kindName)",
          expected: "a string")
      }
      return text
    }
    if let messages = object["messages"] {
      self.init(
        .messages(
          try Self.messages(messages, source: source), tools: try Self.tools(object, source)),
        source: source)
    } else if object["prompt"] != nil || object["completion"] != nil {
      self.init(
        .completion(prompt: try text("prompt"), completion: try text("completion")), source: source)
    } else if object["text"] != nil {
      self.init(.text(try text("text")), source: source)
    } else {
      throw InputError(
        .malformed, source: source,
        found: object.first.map { "no such member, but \(ErrorText.quoted($0.key))" }
          ?? "an empty object",
        expected: "\"text\", \"prompt\" and \"completion\", or \"messages\"")
    }
  }

  private static func messages(
    _ value: JSONValue, source: String
  ) throws(InputError) -> [ChatMessage] {
    guard let list = value.arrayValue, !list.isEmpty else {
      throw InputError(
        .malformed, source: source,
        found: "\"messages\" that is "
          + (value.arrayValue == nil ? value.kindName : "an array of nothing"),
        expected: "an array of messages")
    }
    var messages: [ChatMessage] = []
    for (place, element) in list.enumerated() {
      messages.append(try ChatMessage(element, source: "\(source), message \(place + 1)"))
    }
    return messages
  }

  private static func tools(
    _ object: JSONObject, _ source: String
  ) throws(InputError) -> [JSONValue]? {
    guard let value = object["tools"], value != .null else { return nil }
    guard let list = value.arrayValue else {
      throw InputError(
        .malformed, source: source, found: "\"tools\" that is \(value.kindName)",
        expected: "an array or null")
    }
    return list
  }
}
