import BitCore
import Synchronization
import _Differentiation

/// Sets a random share of values to zero while training and scales the others up by
/// 1 / (1 - probability); outside of training it does nothing.
///
/// It drops values inside ``Randomness/withRandomness(_:_:)``, which the training loop opens for
/// each step; the numbers depend on that generator alone.
public struct Dropout: Layer, Sendable {
  /// The share of values set to zero, in 0..<1.
  @noDerivative public let probability: Float

  /// A layer that drops values with the given probability.
  public init(_ probability: Float = 0.5) {
    precondition((0..<1).contains(probability), "a probability in 0..<1, not \(probability)")
    self.probability = probability
  }

  /// The input with values dropped while training, of the same shape.
  @differentiable(reverse)
  public func callAsFunction(_ input: Tensor) -> Tensor {
    guard let mask = withoutDerivative(at: mask(input.shape)) else { return input }
    return input * mask
  }

  private func mask(_ shape: Shape) -> Tensor? {
    guard probability > 0, let randomness = Randomness.current else { return nil }
    let (probability, scale) = (probability, 1 / (1 - probability))
    return randomness.generator.withLock { generator in
      Tensor.build(shape) { mask in
        for i in 0..<shape.scalarCount {
          mask[i] = generator.nextUniform() < probability ? 0 : scale
        }
      }
    }
  }

  /// There is nothing to show.
  public mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {}
}

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
