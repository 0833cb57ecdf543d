import BitCore
import Synchronization

/// The random numbers that layers such as ``Dropout`` draw while a model trains.
///
/// ```swift
/// let (loss, gradient) = Randomness.withRandomness(SeededGenerator(seed: step)) {
///   valueWithGradient(at: model) { model in ... }
/// }
/// ```
public enum Randomness {
  private enum Mode: Sendable {
    /// Draw while derivatives are taken, from fresh generators.
    case automatic
    /// Draw on every call.
    case on(Source)
    /// Never draw.
    case off
  }

  private final class Source: Sendable {
    let generator: Mutex<SeededGenerator>
    init(_ generator: SeededGenerator) { self.generator = Mutex(generator) }
  }

  @TaskLocal private static var mode = Mode.automatic

  /// Calls `body` as a training step whose random numbers are determined by `generator`: every
  /// call of a random layer inside draws from it.
  public static func withRandomness<R>(
    _ generator: SeededGenerator, _ body: () throws -> R
  ) rethrows -> R {
    try $mode.withValue(.on(Source(generator)), operation: body)
  }

  /// Calls `body` as inference: random layers inside do nothing, even while derivatives are taken.
  public static func withoutRandomness<R>(_ body: () throws -> R) rethrows -> R {
    try $mode.withValue(.off, operation: body)
  }

  /// What `body` draws for one call of a layer; nil if the layer should do nothing.
  ///
  /// - Parameter isTraining: whether derivatives are taken.
  static func withGenerator<R>(
    isTraining: Bool, _ body: (inout SeededGenerator) -> sending R
  ) -> R? {
    switch mode {
    case .on(let source): return source.generator.withLock { body(&$0) }
    case .off: return nil
    case .automatic:
      guard isTraining else { return nil }
      var generator = SeededGenerator.fresh()
      return body(&generator)
    }
  }
}
