import ArgumentParser
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Turns the first Ctrl-C (SIGINT) or SIGTERM into a request to stop in good order; a second one
/// ends the process as usual.
///
/// One at a time listens, from its making to ``stop()``; then another one may.
final class InterruptSignal: Sendable {
  /// What the program exits with after such a request: 128 + SIGINT, as shells have it.
  static let exitCode = ExitCode(130)

  /// Whether a signal came to the one that listens.
  private static let received = Atomic<Bool>(false)

  private let numbers: [CInt]

  /// Starts to listen.
  ///
  /// - Parameter isOneOfSeveral: whether a launcher started this process with others. Launchers pass
  ///   SIGUSR1 on and then wait, whereas after Ctrl-C they soon kill; so it is taken as a request, too.
  init(isOneOfSeveral: Bool = false) {
    numbers = isOneOfSeveral ? [SIGINT, SIGTERM, SIGUSR1] : [SIGINT, SIGTERM]
    Self.received.store(false, ordering: .relaxed)
    // A program that was started from a thread that blocks signals blocks them, too.
    var set = sigset_t()
    sigemptyset(&set)
    for number in numbers { sigaddset(&set, number) }
    pthread_sigmask(SIG_UNBLOCK, &set, nil)
    // Handlers may do little: setting a flag and what the next signal does is among it.
    for number in numbers {
      signal(number) { _ in
        InterruptSignal.received.store(true, ordering: .relaxed)
        signal(SIGINT, SIG_DFL)
        signal(SIGTERM, SIG_DFL)
      }
    }
  }

  /// Lets signals end the process as usual again.
  func stop() {
    for number in numbers { signal(number, SIG_DFL) }
  }

  /// Whether a signal came.
  var isReceived: Bool { Self.received.load(ordering: .relaxed) }
}
