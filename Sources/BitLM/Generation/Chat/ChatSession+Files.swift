import BitCore
import BitFiles
import BitTokenizers

extension ChatSession {
  private static let formatName = "bitlinear-chat"

  /// Writes the conversation to a file, as JSON.
  ///
  /// - Throws: `InputError` of kind `.inputOutput` if it cannot be written.
  public func save(to path: String) throws(InputError) {
    let file: JSONValue = [
      "format": .string(Self.formatName), "version": 1, "messages": .array(messages.map(\.json)),
    ]
    try AtomicFile.write(file.indented + "\n", to: path)
  }

  /// Goes on with a conversation from a file that ``save(to:)`` has written, in place of this one.
  ///
  /// - Throws: `InputError` if it cannot be read or is no such file; the conversation is then as
  ///   it was.
  public func load(from path: String) throws(InputError) {
    let file = try MappedFile(path: path)
    let json = try file.withUnsafeBytes { (bytes) throws(InputError) in
      try JSONValue(parsing: bytes, source: path)
    }
    guard json["format"]?.stringValue == Self.formatName, json["version"]?.integerValue == 1,
      let elements = json["messages"]?.arrayValue
    else {
      throw InputError(
        .malformed, source: path, found: "JSON of something else",
        expected: "a conversation: an object with format \"\(Self.formatName)\", version 1 and"
          + " messages")
    }
    var messages: [ChatMessage] = []
    for (place, element) in elements.enumerated() {
      messages.append(try ChatMessage(element, source: "\(path), message \(place)"))
    }
    begin(with: messages)
  }
}
