import BitFiles

/// One message of a conversation.
///
/// ```swift
/// let messages = [
///   ChatMessage(role: "system", content: "You answer in one sentence."),
///   ChatMessage(role: "user", content: "What is the capital of France?"),
/// ]
/// ```
public struct ChatMessage: Sendable, Hashable {
  /// Who says it: "system", "user", "assistant" or "tool", or what else a template knows.
  public var role: String
  /// What is said.
  public var content: String
  /// Further members that templates look at, such as `tool_calls`, `name` or `reasoning_content`.
  /// One with the key "role" or "content" takes the place of ``role`` or ``content``: content may
  /// be null, or a list of parts.
  package var members: JSONObject = [:]

  /// A message.
  public init(role: String, content: String) {
    self.role = role
    self.content = content
  }

  /// A message with further members.
  package init(role: String, content: String, members: JSONObject) {
    self.role = role
    self.content = content
    self.members = members
  }

  /// The message as templates see it.
  package var json: JSONValue {
    var object: JSONObject = ["role": .string(role), "content": .string(content)]
    for member in members { object[member.key] = member.value }
    return .object(object)
  }

  /// Whether all members are equal, strings byte for byte.
  public static func == (a: ChatMessage, b: ChatMessage) -> Bool {
    ByteKey(a.role) == ByteKey(b.role) && ByteKey(a.content) == ByteKey(b.content)
      && a.members == b.members
  }

  /// Hashes the role and the content.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(ByteKey(role))
    hasher.combine(ByteKey(content))
  }
}
