import BitCore
import BitTokenizers
import Foundation
import Testing

@testable import BitLM

@Suite("Chat sessions")
struct ChatSessionTests {
  static let options = GenerationOptions(
    sampling: SamplingOptions(temperature: 0, logitBias: [60: -.infinity, 61: -.infinity]),
    maxTokens: 12)

  static func session(
    _ model: FakeModel = FakeModel(vocabularySize: 64), instructions: String? = nil
  ) -> ChatSession {
    ChatSession(model, format: FakeChatFormat(), instructions: instructions, options: options)
  }

  /// The answer to a conversation by a generator that knows nothing of earlier ones.
  static func answer(_ messages: [ChatMessage]) throws -> String {
    let format = FakeChatFormat()
    var generator = try TokenGenerator(
      prompt: format.prompt(for: messages), cache: TokenCache(FakeModel()), options: options,
      decoder: FakeDecoder(), endIDs: format.endIDs)
    return try generator.run { false }.text
  }

  @Test("Answers are those to the whole conversation, of which little is evaluated again")
  func conversation() async throws {
    let session = Self.session(instructions: "be brief")
    var expected = [ChatMessage(role: "system", content: "be brief")]
    #expect(session.messages == expected)
    var known = 0
    for question in ["hello", "how are you", "good"] {
      expected.append(ChatMessage(role: "user", content: question))
      let answer = try await session.respond(to: question)
      #expect(answer == (try Self.answer(expected)))
      expected.append(ChatMessage(role: "assistant", content: answer))
      #expect(session.messages == expected)
      let result = try #require(session.lastResult)
      #expect(result.text == answer)
      #expect(result.cachedTokens >= known)
      known = result.promptTokens
    }
  }

  @Test("A stream's pieces are the answer, which is in the conversation at their end")
  func stream() async throws {
    let session = Self.session()
    var text = ""
    for try await piece in session.streamResponse(to: "hello") {
      text += piece.text
      if piece.result != nil { #expect(session.messages.last?.content == text) }
    }
    #expect(text == (try Self.answer([ChatMessage(role: "user", content: "hello")])))
  }

  @Test("Questions that are asked at once are answered one after another")
  func severalQuestions() async throws {
    let session = Self.session()
    let streams = ["a", "b", "c"].map { session.streamResponse(to: $0) }
    for stream in streams { for try await _ in stream {} }
    let messages = session.messages
    #expect(
      messages.map(\.role) == ["user", "assistant", "user", "assistant", "user", "assistant"])
    #expect([0, 2, 4].map { messages[$0].content } == ["a", "b", "c"])
    #expect(messages[5].content == (try Self.answer(Array(messages[..<5]))))
  }

  @Test("What was read of an answer that is broken off stays in the conversation")
  func brokenOff() async throws {
    let session = Self.session(FakeModel(contextLength: 1 << 20))
    session.options.maxTokens = nil
    session.options.ignoresEndOfText = true
    func readOne() async throws -> String {
      for try await piece in session.streamResponse(to: "hello") { return piece.text }
      return ""
    }
    let first = try await readOne()
    #expect(!first.isEmpty)
    session.options = Self.options
    // Waits for the end of the answer before.
    _ = try await session.respond(to: "again")
    let messages = session.messages
    #expect(messages.count == 4)
    #expect(messages[0].content == "hello" && messages[1].content.hasPrefix(first))
    #expect(messages[3].content == (try Self.answer(Array(messages[..<3]))))
  }

  @Test("After an error the conversation is as it was, and goes on")
  func errors() async throws {
    let session = Self.session(FakeModel(contextLength: 60))
    _ = try await session.respond(to: "hello")
    let messages = session.messages
    let long = String(repeating: "x", count: 60)
    for (question, found) in [("refuse", "refuse"), (long, "tokens")] {
      let error = await #expect(throws: InputError.self) {
        try await session.respond(to: question)
      }
      #expect(error?.found.contains(found) == true)
      #expect(session.messages == messages)
    }
    session.options.sampling.topP = 7
    await #expect(throws: InputError.self) { try await session.respond(to: "more") }
    session.options.sampling.topP = 1
    _ = try await session.respond(to: "more")
    #expect(session.messages.count == 4)
    #expect(try #require(session.lastResult).cachedTokens >= 8)
  }

  @Test("A new conversation keeps the instructions; these can be changed and removed")
  func reset() async throws {
    let session = Self.session(instructions: "be brief")
    let answer = try await session.respond(to: "hello")
    session.reset()
    #expect(session.messages.map(\.content) == ["be brief"])
    #expect(session.lastResult == nil)
    #expect(try await session.respond(to: "hello") == answer)
    session.instructions = "be kind"
    #expect(session.messages.map(\.content) == ["be kind", "hello", answer])
    session.instructions = nil
    #expect(session.messages.map(\.role) == ["user", "assistant"])
    session.reset()
    #expect(session.messages.isEmpty && session.instructions == nil)
  }

  @Test("A cancelled task gets no answer")
  func cancelled() async throws {
    let session = Self.session(FakeModel(contextLength: 1 << 20))
    session.options.maxTokens = nil
    session.options.ignoresEndOfText = true
    let task = Task { try await session.respond(to: "hello") }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  /// Calls `body` with the path of a file in a new folder, which is removed afterwards.
  static func withFile<R>(_ body: (String) async throws -> R) async throws -> R {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("ChatSessionTests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder.appendingPathComponent("chat.json").path)
  }

  @Test("A conversation that is saved and loaded goes on as if it had not been")
  func saveAndLoad() async throws {
    try await Self.withFile { path in
      let session = Self.session(instructions: "\"quoted\"\n\u{e9} e\u{301}")
      _ = try await session.respond(to: "hello")
      try session.save(to: path)
      let other = Self.session()
      _ = try await other.respond(to: "something else")
      try other.load(from: path)
      #expect(other.messages == session.messages)
      #expect(try await other.respond(to: "more") == (try await session.respond(to: "more")))
    }
  }

  @Test("Members of messages that only templates know are kept")
  func members() async throws {
    try await Self.withFile { path in
      let text = #"""
        {"format": "bitlinear-chat", "version": 1, "messages": [
          {"role": "assistant", "content": null, "tool_calls": [{"name": "f"}]},
          {"role": "tool", "content": "7", "name": "f"}]}
        """#
      try text.write(toFile: path, atomically: true, encoding: .utf8)
      let session = Self.session()
      try session.load(from: path)
      let first = try #require(session.messages.first)
      #expect(first.json["content"] == .null && first.json["tool_calls"]?[0]?["name"] == "f")
      #expect(session.messages[1].json == ["role": "tool", "content": "7", "name": "f"])
      try session.save(to: path)
      let other = Self.session()
      try other.load(from: path)
      #expect(other.messages == session.messages)
    }
  }

  @Test(
    "A file that is no conversation is an error, and changes nothing",
    arguments: [
      "", "[]", "{}", #"{"format": "bitlinear-chat", "version": 2, "messages": []}"#,
      #"{"format": "bitlinear-chat", "version": 1, "messages": [{"role": 1, "content": ""}]}"#,
      #"{"format": "bitlinear-chat", "version": 1, "messages": [{"role": "user"}]}"#,
      #"{"format": "bitlinear-chat", "version": 1, "messages": [7]}"#,
    ])
  func badFiles(text: String) async throws {
    try await Self.withFile { path in
      try text.write(toFile: path, atomically: true, encoding: .utf8)
      let session = Self.session(instructions: "be brief")
      let error = #expect(throws: InputError.self) { try session.load(from: path) }
      #expect(error?.description.contains("chat.json") == true)
      #expect(session.messages.map(\.content) == ["be brief"])
    }
    #expect(throws: InputError.self) { try Self.session().load(from: "/no/such/file") }
  }
}
