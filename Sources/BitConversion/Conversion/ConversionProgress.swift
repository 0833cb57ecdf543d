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
  /// What is done of the step, in bytes.
  public let done: Int
  /// All of the step, in bytes.
  public let total: Int

  /// Is told of progress. What it throws, such as `CancellationError`, ends the conversion, which then
  /// leaves no file and throws the same.
  public typealias Handler = @Sendable (ConversionProgress) throws -> Void
}
