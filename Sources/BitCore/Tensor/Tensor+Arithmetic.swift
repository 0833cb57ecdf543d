extension Tensor: AdditiveArithmetic {
  /// The neutral element of addition, of shape `[0]`: adding it changes nothing, whatever the
  /// other shape. It is the gradient of a parameter on which a result does not depend.
  public static var zero: Tensor { .zeros([0]) }

  /// Whether this is the neutral element.
  package var isZeroElement: Bool { shape == [0] }

  /// The sum of two tensors of one shape; ``zero`` fits any shape.
  public static func + (a: Tensor, b: Tensor) -> Tensor {
    if a.isZeroElement { return b }
    if b.isZeroElement { return a }
    return a.combinedVectors(with: b) { $0 + $1 }
  }

  /// The difference of two tensors of one shape; ``zero`` fits any shape.
  public static func - (a: Tensor, b: Tensor) -> Tensor {
    if b.isZeroElement { return a }
    if a.isZeroElement { return b.mapVectors { -$0 } }
    return a.combinedVectors(with: b) { $0 - $1 }
  }

  /// The product of corresponding values of two tensors of one shape.
  public static func * (a: Tensor, b: Tensor) -> Tensor {
    a.combinedVectors(with: b) { $0 * $1 }
  }

  /// All values times a number.
  public static func * (a: Tensor, b: Float) -> Tensor {
    a.mapVectors { $0 * b }
  }
}
