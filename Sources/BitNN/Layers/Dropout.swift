import BitCore
import _Differentiation

/// Sets a random share of values to zero while training and scales the others up by
/// 1 / (1 - probability).
///
/// A call is training while derivatives are taken, as in `valueWithGradient(at: model) { ... }`,
/// and otherwise does nothing, so that a loop written by hand needs no switch. The random numbers
/// are new in every run unless a step is made inside ``Randomness/withRandomness(_:_:)``, as
/// `Trainer` does; there, calls without derivatives drop values, too.
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
    mask(input.shape, isTraining: false).map { input * $0 } ?? input
  }

  // The rule is that of the call itself and not of a function in it: the compiler does not take
  // the derivative of what depends on no parameter, and so would not drop inputs that are data.
  @derivative(of: callAsFunction)
  @usableFromInline
  func callDerivative(
    _ input: Tensor
  ) -> (value: Tensor, pullback: (Tensor) -> (TangentVector, Tensor)) {
    guard let mask = mask(input.shape, isTraining: true) else {
      return (input, { (.zero, $0) })
    }
    return (input * mask, { (.zero, $0.isZeroElement ? $0 : $0 * mask) })
  }

  @derivative(of: callAsFunction, wrt: self)
  @usableFromInline
  func callParametersDerivative(
    _ input: Tensor
  ) -> (value: Tensor, pullback: (Tensor) -> TangentVector) {
    (mask(input.shape, isTraining: true).map { input * $0 } ?? input, { _ in .zero })
  }

  /// Zeros and factors for values of a shape; nil for no change.
  private func mask(_ shape: Shape, isTraining: Bool) -> Tensor? {
    guard probability > 0 else { return nil }
    return Randomness.withGenerator(isTraining: isTraining) { generator in
      let scale = 1 / (1 - probability)
      return Tensor.build(shape) { mask in
        for i in 0..<shape.scalarCount {
          mask[i] = generator.nextUniform() < probability ? 0 : scale
        }
      }
    }
  }

  /// There is nothing to show.
  public mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {}
}

extension Dropout: CustomStringConvertible {
  /// The layer in a few words: "Dropout(0.5)".
  public var description: String { LayerDescription.text("Dropout", "\(probability)") }
}
