import BitCore
import Synchronization

/// Tells a handler of progress, and brings what the handler throws out of readers and writers that
/// throw ``InputError`` alone.
final class ConversionMonitor: Sendable {
  private let handler: ConversionProgress.Handler?
  private let interruption = Mutex<(any Error)?>(nil)

  private init(_ handler: ConversionProgress.Handler?) { self.handler = handler }

  /// Runs `body`, whose reports go to the handler.
  ///
  /// - Throws: what the handler throws, or else what `body` does.
  static func run<R>(
    _ handler: ConversionProgress.Handler?,
    _ body: (ConversionMonitor) throws(InputError) -> R
  ) throws -> R {
    let monitor = ConversionMonitor(handler)
    do {
      return try body(monitor)
    } catch {
      throw monitor.interruption.withLock { $0 } ?? error
    }
  }

  func report(
    _ step: ConversionProgress.Step, _ done: Int, of total: Int
  ) throws(InputError) {
    guard let handler else { return }
    do {
      try handler(ConversionProgress(step: step, done: min(done, total), total: total))
    } catch {
      interruption.withLock { $0 = $0 ?? error }
      // Only ends the work: run(_:_:) throws the handler's own error instead.
      throw InputError(
        .inputOutput, source: "conversion", found: "\(error)", expected: "to continue")
    }
  }
}
