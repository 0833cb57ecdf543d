import BitCore
import Synchronization

/// The random numbers that layers such as ``Dropout`` draw while a model trains.
public final class Randomness: Sendable {
  @TaskLocal static var current: Randomness?

  let generator: Mutex<SeededGenerator>

  private init(_ generator: SeededGenerator) { self.generator = Mutex(generator) }

  /// Calls `body` as a training step: layers inside draw from `generator`.
  public static func withRandomness<R>(
    _ generator: SeededGenerator, _ body: () throws -> R
  ) rethrows -> R {
    try $current.withValue(Randomness(generator), operation: body)
  }
}
