import Dispatch
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
public final class InterruptSignal: Sendable {
  private let received = Atomic<Bool>(false)
  private let sources: [any DispatchSourceSignal]

  /// Starts to listen.
  public init() {
    let numbers = [SIGINT, SIGTERM]
    sources = numbers.map { number in
      signal(number, SIG_IGN)
      return DispatchSource.makeSignalSource(signal: number, queue: .global())
    }
    for source in sources {
      source.setEventHandler { [weak self] in
        self?.received.store(true, ordering: .relaxed)
        for number in numbers { signal(number, SIG_DFL) }
      }
      source.resume()
    }
  }

  /// Whether a signal came.
  public var isReceived: Bool { received.load(ordering: .relaxed) }
}
