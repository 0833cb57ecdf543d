import BitCore
import BitTokenizers
import Synchronization

/// A conversation with a language model.
///
/// Each answer goes on from what the model has evaluated for those before. Several sessions can
/// share a model; questions to one session are answered one after another.
///
/// ```swift
/// let session = try ChatSession(model, instructions: "You answer in one sentence.")
/// print(try await session.respond(to: "What is the capital of France?"))
/// for try await piece in session.streamResponse(to: "And of Italy?") {
///   print(piece.text, terminator: "")
/// }
/// ```
public final class ChatSession: Sendable {
  private struct State {
    var messages: [ChatMessage]
    var options: GenerationOptions
    var lastResult: GenerationResult?
    /// Nil until the first question, and while one is being answered.
    var cache: TokenCache?
    /// Counts the conversations: the answer to a question of an earlier one is not kept.
    var conversation = 0
    /// Answers the latest question.
    var latest: Task<Void, Never>?
  }

  private let model: any TokenModel
  private let format: any ChatFormat
  private let state: Mutex<State>

  /// A conversation that begins with `instructions` to the model, or with nothing.
  package init(
    _ model: any TokenModel, format: any ChatFormat, instructions: String? = nil,
    options: GenerationOptions = GenerationOptions()
  ) {
    self.model = model
    self.format = format
    state = Mutex(State(messages: Self.beginning(instructions), options: options))
  }

  private static func beginning(_ instructions: String?) -> [ChatMessage] {
    instructions.map { [ChatMessage(role: "system", content: $0)] } ?? []
  }

  /// What was said: the instructions if there are any, then questions and their answers in turn. A
  /// question is there as soon as it is answered.
  public var messages: [ChatMessage] { state.withLock(\.messages) }

  /// The instructions to the model, which its template puts before the conversation; nil for none.
  public var instructions: String? {
    get { state.withLock { $0.messages.first { $0.isInstructions }?.content } }
    set {
      state.withLock {
        if $0.messages.first?.isInstructions == true { $0.messages.removeFirst() }
        $0.messages.insert(contentsOf: Self.beginning(newValue), at: 0)
      }
    }
  }

  /// How answers are generated, from the next question on.
  public var options: GenerationOptions {
    get { state.withLock(\.options) }
    set { state.withLock { $0.options = newValue } }
  }

  /// The latest answer with its tokens and timings; nil before the first.
  public var lastResult: GenerationResult? { state.withLock(\.lastResult) }

  /// Begins a new conversation with the same instructions.
  public func reset() { begin(with: Self.beginning(instructions)) }

  /// Begins a new conversation with some messages.
  package func begin(with messages: [ChatMessage]) {
    state.withLock {
      $0.messages = messages
      $0.lastResult = nil
      $0.conversation += 1
    }
  }

  /// The answer to a question.
  ///
  /// - Throws: `InputError` as ``streamResponse(to:)`` does; `CancellationError` if the task is
  ///   cancelled before the answer is whole. The conversation then has the part that was there.
  public func respond(to question: String) async throws -> String {
    for try await piece in streamResponse(to: question) {
      if let result = piece.result { return result.text }
    }
    throw CancellationError()
  }

  /// The answer to a question, piece by piece as it is generated.
  ///
  /// Generating ends when the stream is no longer read. What was generated until then stays in the
  /// conversation as the answer, unless it is empty.
  ///
  /// - Throws: The stream throws `InputError` if an option is out of its range, the conversation
  ///   is too long for the context or the template refuses it. The conversation is then as it was
  ///   before the question.
  public func streamResponse(
    to question: String
  ) -> AsyncThrowingStream<GeneratedPiece, any Error> {
    AsyncThrowingStream { continuation in
      let task = state.withLock { state in
        let earlier = state.latest
        let conversation = state.conversation
        let task = Task.detached {
          await earlier?.value
          do {
            try await self.answer(question, conversation) { continuation.yield($0) }
            continuation.finish()
          } catch {
            continuation.finish(throwing: error)
          }
        }
        state.latest = task
        return task
      }
      continuation.onTermination = { _ in task.cancel() }
    }
  }

  /// Waits until nothing more is generated: after a stream that was not read to its end, what was
  /// there of the answer is then in the conversation.
  package func waitUntilIdle() async { await state.withLock(\.latest)?.value }

  private func answer(
    _ question: String, _ conversation: Int, show: (GeneratedPiece) -> Void
  ) async throws(InputError) {
    guard !Task.isCancelled else { return }
    let asked = ChatMessage(role: "user", content: question)
    let (messages, options, known) = state.withLock { state in
      defer { state.cache = nil }
      return (state.messages + [asked], state.options, state.cache)
    }
    var cache = known
    defer { state.withLock { [cache] in $0.cache = cache } }
    let ready = if let known { known } else { try TokenCache(model) }
    var generator = try TokenGenerator(
      prompt: format.prompt(for: messages), cache: ready, options: options,
      decoder: format.makeDecoder(), endIDs: format.endIDs)
    defer { cache = generator.cache }
    try await generator.run { piece in
      // Before the last piece is shown, so that its reader finds the answer in the conversation.
      if let result = piece.result { keep(result, of: asked, conversation) }
      show(piece)
    }
  }

  private func keep(_ result: GenerationResult, of question: ChatMessage, _ conversation: Int) {
    state.withLock {
      guard $0.conversation == conversation else { return }
      $0.lastResult = result
      if result.finishReason == .cancelled && result.text.isEmpty { return }
      $0.messages += [question, ChatMessage(role: "assistant", content: result.text)]
    }
  }
}

extension ChatMessage {
  fileprivate var isInstructions: Bool { role.utf8.elementsEqual("system".utf8) }
}
