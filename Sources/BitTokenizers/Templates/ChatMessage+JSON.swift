import BitCore
import BitFiles

extension ChatMessage {
  /// The message of a JSON object with `role`, `content` and whatever else templates look at.
  ///
  /// - Throws: `InputError` that names `source` for anything else.
  package init(_ json: JSONValue, source: String) throws(InputError) {
    guard let object = json.objectValue, let role = object["role"]?.stringValue,
      let content = object["content"]
    else {
      throw InputError(
        .malformed, source: source, found: ErrorText.short(json),
        expected: "an object with the string \"role\" and with \"content\"")
    }
    var members = object
    members["role"] = nil
    if content.stringValue != nil { members["content"] = nil }
    self.init(role: role, content: content.stringValue ?? "", members: members)
  }
}
