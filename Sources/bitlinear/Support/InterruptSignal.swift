import ArgumentParser
import Dispatch
import Synchronization

/// Turns the first Ctrl-C (SIGINT) or SIGTERM into a request to stop in good order; a second one
/// ends the process as usual.
final class InterruptSignal: Sendable {
  /// What the program exits with after such a request: 128 + SIGINT, as shells have it.
  static let exitCode = ExitCode(130)

  private static let numbers = [SIGINT, SIGTERM]

  private let received = Atomic<Bool>(false)

  /// Starts to listen.
  init() {
    for number in Self.numbers {
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      // The handler keeps the source alive, which would be cancelled otherwise.
      source.setEventHandler {
        self.received.store(true, ordering: .relaxed)
        self.stop()
        withExtendedLifetime(source) {}
      }
      source.resume()
    }
  }

  /// Lets signals end the process as usual again.
  func stop() {
    for number in Self.numbers { signal(number, SIG_DFL) }
  }

  /// Whether a signal came.
  var isReceived: Bool { received.load(ordering: .relaxed) }
}
