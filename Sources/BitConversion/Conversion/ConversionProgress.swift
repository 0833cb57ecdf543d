import BitCore
import BitFormats
import Synchronization

/// How far a conversion is.
public struct ConversionProgress: Sendable {
  /// What is done now.
  public enum Step: String, Sendable {
    /// Reading what must be known before the first byte is written.
    case reading = "Reading"
    /// Writing the result.
    case writing = "Writing"
    /// Reading the result back.
    case verifying = "Verifying"
  }

  /// What is done now.
  public let step: Step
  /// What is done of the step and all of it, in bytes.
  public let done: Int
  /// All of the step, in bytes.
  public let total: Int

  /// Is told of progress. What it throws ends the conversion, which then leaves no file; throw
  /// `CancellationError` to stop one.
  public typealias Handler = @Sendable (ConversionProgress) throws -> Void

  /// Calls `body`, whose steps throw nothing but ``InputError``, with a handler that may throw
  /// anything.
  ///
  /// - Throws: what the handler threw, or else what `body` throws.
  static func withHandler<Result>(
    _ handler: Handler?,
    _ body: (ConversionMonitor.Handler?) throws(InputError) -> Result
  ) throws -> Result {
    guard let handler else { return try body(nil) }
    let thrown = ThrownError()
    do {
      return try body { (progress) throws(InputError) in
        do {
          try handler(progress)
        } catch {
          thrown.error.withLock { $0 = error }
          // Ends the steps; the caller gets the handler's own error.
          throw InputError(
            .inputOutput, source: "the conversion", found: "\(error)", expected: "to continue")
        }
      }
    } catch {
      throw thrown.error.withLock { $0 } ?? error
    }
  }
}

/// The error of a handler on its way past functions that throw ``InputError`` only.
private final class ThrownError: Sendable {
  let error = Mutex<(any Error)?>(nil)
}

/// Tells a handler of one step's progress.
struct ConversionMonitor: Sendable {
  typealias Handler = @Sendable (ConversionProgress) throws(InputError) -> Void

  let step: ConversionProgress.Step
  let total: Int
  let handler: Handler?

  func report(_ done: Int) throws(InputError) {
    try handler?(ConversionProgress(step: step, done: min(done, total), total: total))
  }
}
