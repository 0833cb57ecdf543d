#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// How the learning rate changes during training.
public struct LearningRateSchedule: Sendable, Hashable, CustomStringConvertible {
  /// The course after the warm-up.
  public enum Course: Sendable, Hashable {
    /// The peak until the end.
    case constant
    /// Half a cosine from the peak to `final` times the peak.
    case cosine(final: Float = 0)
    /// The two stages of BitNet b1.58 ("Training Tips, Code and FAQ"): in the first half linear
    /// from the peak to `firstEnd` times the peak, in the second half linear from `secondStart`
    /// times the peak to zero.
    case twoStage(firstEnd: Float = 8.0 / 15, secondStart: Float = 1.0 / 3)
  }

  /// The highest rate.
  public var peak: Float
  /// The course after the warm-up.
  public var course: Course
  /// Steps over which the rate first rises linearly to the peak.
  public var warmupSteps: Int

  /// A schedule; without a warm-up unless asked for.
  public init(peak: Float, course: Course = .constant, warmupSteps: Int = 0) {
    self.peak = peak
    self.course = course
    self.warmupSteps = warmupSteps
  }

  /// The schedule in a few words: "0.001 cosine to 0.0, 100 steps of warm-up".
  public var description: String {
    let text =
      switch course {
      case .constant: "\(peak)"
      case .cosine(let final): "\(peak) cosine to \(final)"
      case .twoStage(let firstEnd, let secondStart):
        "\(peak) in two stages by \(firstEnd) and \(secondStart)"
      }
    return warmupSteps > 0 ? "\(text), \(warmupSteps) steps of warm-up" : text
  }

  /// The rate of a step, 0..<totalSteps.
  public func rate(step: Int, totalSteps: Int) -> Float {
    if step < warmupSteps { return peak * Float(step + 1) / Float(warmupSteps) }
    let length = max(1, totalSteps - warmupSteps)
    let progress = min(1, Double(step - warmupSteps) / Double(length))
    switch course {
    case .constant:
      return peak
    case .cosine(let final):
      return peak * (final + (1 - final) * Float(0.5 * (1 + cos(.pi * progress))))
    case .twoStage(let firstEnd, let secondStart):
      let within = Float(progress < 0.5 ? 2 * progress : 2 * progress - 1)
      return peak * (progress < 0.5 ? 1 + (firstEnd - 1) * within : secondStart * (1 - within))
    }
  }
}
