import BitCore
import BitTokenizers

@testable import BitLM

/// Conversations as one token for the role and one for each byte, for a ``FakeModel`` with 64
/// tokens. Tokens of generated text come back as themselves.
struct FakeChatFormat: ChatFormat {
  var endIDs: Set<Int32> = [62]

  func prompt(for messages: [ChatMessage]) throws(InputError) -> [Int32] {
    var ids: [Int32] = []
    for message in messages {
      guard message.content.utf8.elementsEqual("refuse".utf8) == false else {
        throw InputError(.mismatch, source: "template", found: "refuse", expected: "other words")
      }
      ids.append(message.role == "assistant" ? 59 : 58)
      ids += message.content.utf8.map { Int32(($0 &- UInt8(ascii: "a")) % 26) }
      ids.append(62)
    }
    return ids + [59]
  }

  func makeDecoder() -> any TokenTextDecoder { FakeDecoder() }
}
