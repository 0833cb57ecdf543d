import BitCore
import BitFormats

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

  /// Is told of progress; what it throws ends the conversion, which then leaves no file.
  public typealias Handler = @Sendable (ConversionProgress) throws(InputError) -> Void
}

/// Tells a handler of one step's progress.
struct ConversionMonitor: Sendable {
  let step: ConversionProgress.Step
  let total: Int
  let handler: ConversionProgress.Handler?

  func report(_ done: Int) throws(InputError) {
    try handler?(ConversionProgress(step: step, done: min(done, total), total: total))
  }
}
