import ArgumentParser
import BitCore
import BitFiles
import BitLM
import Dispatch
import Synchronization

/// Reads messages and commands line by line, and prints what the model answers.
struct ChatLoop {
  private let session: ChatSession
  /// Whether a person types the lines.
  private let isInteractive: Bool

  init(_ session: ChatSession, isInteractive: Bool) {
    (self.session, self.isInteractive) = (session, isInteractive)
  }

  /// Goes on until the input ends, or a command ends it.
  ///
  /// - Throws: unless a person can try again, the first error.
  func run() throws {
    if isInteractive {
      Output.tell("Commands: \(ChatLine.usage). Ctrl-C stops an answer.\n")
    }
    while let text = try readLine() {
      do {
        switch ChatLine(text) {
        case nil: continue
        case .message(let message): try answer(message)
        case .reset: session.reset()
        case .system(let instructions): session.instructions = instructions
        case .save(let path): try session.save(to: path)
        case .load(let path): try session.load(from: path)
        case .exit: return
        case .unknown(let command):
          throw InputError(
            .unsupported, source: "chat", found: "the command \(ErrorText.quoted(command))",
            expected: ChatLine.usage)
        }
      } catch let error as InputError where isInteractive {
        Output.tell("Error: \(error)\n")
      }
    }
  }

  private func readLine() throws(InputError) -> String? {
    if isInteractive { try Output.write("> ") }
    let line = Swift.readLine()
    if isInteractive, line == nil { try Output.write("\n") }
    return line
  }

  /// Prints an answer while it is generated; Ctrl-C ends it early.
  private func answer(_ message: String) throws {
    let interrupt = InterruptSignal()
    defer { interrupt.stop() }
    let session = session
    let outcome = Outcome()
    let writing = Task.detached {
      for try await piece in session.streamResponse(to: message) { try Output.write(piece.text) }
    }
    Task.detached {
      let result = await writing.result
      await session.waitUntilIdle()
      outcome.set(result)
    }
    // This thread waits; the tasks run on others.
    while !outcome.wait(milliseconds: 20) {
      if interrupt.isReceived { writing.cancel() }
    }
    try outcome.get()
    try Output.write("\n")
    if interrupt.isReceived {
      guard isInteractive else { throw InterruptSignal.exitCode }
      Output.tell("(stopped)\n")
    } else if session.lastResult?.finishReason == .length {
      Output.tell("(The answer has as many tokens as were allowed, or the context is full.)\n")
    }
  }
}

/// How a task ended, for a thread that waits for it.
private final class Outcome: Sendable {
  private let result = Mutex<Result<Void, any Error>>(.success(()))
  private let isDone = DispatchSemaphore(value: 0)

  func set(_ result: Result<Void, any Error>) {
    self.result.withLock { $0 = result }
    isDone.signal()
  }

  /// Waits for a while.
  ///
  /// - Returns: whether the task has ended.
  func wait(milliseconds: Int) -> Bool {
    isDone.wait(timeout: .now() + .milliseconds(milliseconds)) == .success
  }

  func get() throws { try result.withLock { $0 }.get() }
}
