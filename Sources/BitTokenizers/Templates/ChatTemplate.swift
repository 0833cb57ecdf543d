import BitCore
import BitFiles

/// A chat template: a small program in the Jinja language that comes with a model and makes the
/// text of a conversation, with the marks that the model was trained with.
///
/// ```swift
/// let template = try ChatTemplate("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
/// try template.render(messages: [ChatMessage(role: "user", content: "Hello")])  // "user: Hello\n"
/// ```
///
/// It prints what Jinja2 prints as Hugging Face's transformers call it, for the part of the
/// language that real templates use. Anything else is refused by name and line, most of it already
/// by ``init(_:name:)``. A template is foreign input: loops, recursion, memory and the length of
/// the text are limited, and it can reach nothing but its variables.
///
/// The text holds the mark of the beginning where the model wants one. Tokenize it without adding
/// special tokens, or the mark is there twice.
public struct ChatTemplate: Sendable {
  /// The source, as it was given.
  public let source: String
  private let name: String
  private let tree: TemplateTree
  private let limits: TemplateLimits

  /// Parses a template.
  ///
  /// - Parameters:
  ///   - source: The template, in the Jinja language.
  ///   - name: What errors call it; the file that it comes from.
  /// - Throws: `InputError` with the line if the template is malformed, or of kind `.unsupported`
  ///   if it uses a block, filter, test or function that is not supported.
  public init(_ source: String, name: String = "chat template") throws(InputError) {
    try self.init(source, name: name, limits: TemplateLimits())
  }

  /// Parses a template that may use up to some limits.
  package init(
    _ source: String, name: String = "chat template", limits: TemplateLimits
  ) throws(InputError) {
    self.source = source
    self.name = name
    self.limits = limits
    tree = try TemplateParser.tree(of: source, source: name, limits: limits)
  }

  /// The text of a conversation.
  ///
  /// - Parameters:
  ///   - messages: The conversation.
  ///   - addGenerationPrompt: Whether the text ends with the beginning of the model's answer.
  ///   - bosToken: The text of the token that begins a text, if the model has one.
  ///   - eosToken: The text of the token that ends a text, if the model has one.
  ///   - variables: Further variables that the template knows, such as `enable_thinking`.
  ///   - date: What `strftime_now` prints; without it, the template has no such function.
  /// - Throws: `InputError` of kind `.mismatch`, with the line, if the template cannot do with the
  ///   messages what it wants to; if it refuses them itself (`raise_exception`), `found` is its own
  ///   message. Of kind `.unsupported` beyond a limit.
  public func render(
    messages: [ChatMessage], addGenerationPrompt: Bool = true, bosToken: String? = nil,
    eosToken: String? = nil, variables: [String: TemplateVariable] = [:],
    date: TemplateDate? = nil
  ) throws(InputError) -> String {
    try render(
      messages: messages.map(\.json), tools: nil, addGenerationPrompt: addGenerationPrompt,
      bosToken: bosToken, eosToken: eosToken,
      variables: JSONObject(variables.map { ($0.key, $0.value.json) }), date: date)
  }

  /// The text of a conversation with tools; see
  /// ``render(messages:addGenerationPrompt:bosToken:eosToken:variables:date:)``.
  ///
  /// - Parameters:
  ///   - messages: Objects with `role`, `content` and whatever else the template looks at.
  ///   - tools: Descriptions of functions that the model may call. As with Hugging Face, the
  ///     variable is defined, but none, if there are none.
  package func render(
    messages: [JSONValue], tools: [JSONValue]? = nil, addGenerationPrompt: Bool = true,
    bosToken: String? = nil, eosToken: String? = nil, variables: JSONObject = [:],
    date: TemplateDate? = nil
  ) throws(InputError) -> String {
    var all: JSONObject = [
      "messages": .array(messages), "tools": tools.map { .array($0) } ?? .null,
      "documents": .null, "add_generation_prompt": .bool(addGenerationPrompt),
    ]
    if let bosToken { all["bos_token"] = .string(bosToken) }
    if let eosToken { all["eos_token"] = .string(eosToken) }
    for variable in variables { all[variable.key] = variable.value }
    return try render(variables: all, date: date)
  }

  /// What the template prints with variables, and nothing else defined.
  package func render(
    variables: JSONObject, date: TemplateDate? = nil
  ) throws(InputError) -> String {
    var interpreter = TemplateInterpreter(
      source: name, limits: limits, names: tree.names, date: date)
    var values: [ByteKey: JSONValue] = [:]
    for variable in variables { values[ByteKey(variable.key)] = variable.value }
    // What the template does not mention need not be made ready for it.
    for (id, name) in tree.names.enumerated() {
      guard let json = values[ByteKey(name)] else { continue }
      guard let value = TemplateValue(json, depth: limits.valueDepth) else {
        throw InputError(
          .unsupported, source: self.name,
          found: "the variable \(ErrorText.quoted(name)), nested "
            + "deeper than \(limits.valueDepth)", expected: "at most \(limits.valueDepth)")
      }
      interpreter.define(id, value)
    }
    _ = try interpreter.run(tree.statements)
    return interpreter.output
  }
}
