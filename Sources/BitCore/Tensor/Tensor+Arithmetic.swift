extension Tensor: AdditiveArithmetic {
  /// The neutral element of addition, of shape `[0]`: adding it changes nothing, whatever the
  /// other shape. It is the gradient of a parameter on which a result does not depend.
  public static var zero: Tensor { .zeros([0]) }

  /// Whether this is the neutral element.
  package var isZeroElement: Bool { shape == [0] }

  /// The sum of two tensors whose shapes broadcast by NumPy's rules; ``zero`` fits any shape.
  public static func + (a: Tensor, b: Tensor) -> Tensor {
    if a.isZeroElement { return b }
    if b.isZeroElement { return a }
    return a.broadcastVectors(with: b) { $0 + $1 }
  }

  /// The difference of two tensors whose shapes broadcast by NumPy's rules; ``zero`` fits any shape.
  public static func - (a: Tensor, b: Tensor) -> Tensor {
    if b.isZeroElement { return a }
    if a.isZeroElement { return -b }
    return a.broadcastVectors(with: b) { $0 - $1 }
  }

  /// The product of two tensors, value by value, whose shapes broadcast by NumPy's rules.
  public static func * (a: Tensor, b: Tensor) -> Tensor {
    a.broadcastVectors(with: b) { $0 * $1 }
  }

  /// The quotient of two tensors, value by value, whose shapes broadcast by NumPy's rules.
  public static func / (a: Tensor, b: Tensor) -> Tensor {
    a.broadcastVectors(with: b) { $0 / $1 }
  }

  /// Adds a tensor that broadcasts to the shape of `a`, which keeps its shape.
  public static func += (a: inout Tensor, b: Tensor) {
    checkKeepsShape(a, b)
    a = a + b
  }

  /// Subtracts a tensor that broadcasts to the shape of `a`, which keeps its shape.
  public static func -= (a: inout Tensor, b: Tensor) {
    checkKeepsShape(a, b)
    a = a - b
  }

  private static func checkKeepsShape(_ a: Tensor, _ b: Tensor) {
    precondition(
      a.isZeroElement || b.isZeroElement || a.shape.broadcast(with: b.shape) == a.shape,
      "a tensor of shape \(b.shape) does not broadcast to \(a.shape)")
  }

  /// All values with the opposite sign.
  public static prefix func - (a: Tensor) -> Tensor {
    a.mapVectors { -$0 }
  }

  /// All values plus a number.
  public static func + (a: Tensor, b: Float) -> Tensor {
    a.mapVectors { $0 + b }
  }

  /// All values minus a number.
  public static func - (a: Tensor, b: Float) -> Tensor {
    a.mapVectors { $0 - b }
  }

  /// All values times a number.
  public static func * (a: Tensor, b: Float) -> Tensor {
    a.mapVectors { $0 * b }
  }

  /// All values divided by a number.
  public static func / (a: Tensor, b: Float) -> Tensor {
    a.mapVectors { $0 / b }
  }

  /// A number plus all values.
  public static func + (a: Float, b: Tensor) -> Tensor { b + a }

  /// A number minus all values.
  public static func - (a: Float, b: Tensor) -> Tensor {
    b.mapVectors { a - $0 }
  }

  /// A number times all values.
  public static func * (a: Float, b: Tensor) -> Tensor { b * a }

  /// A number divided by all values.
  public static func / (a: Float, b: Tensor) -> Tensor {
    b.mapVectors { a / $0 }
  }

  /// The square root of every value; NaN for negative ones.
  public func squareRoot() -> Tensor {
    mapVectors { $0.squareRoot() }
  }
}
