import BitCore
import _Differentiation

extension Tensor {
  /// The gradient of an operand of shape `shape` that was broadcast, from one of the result's shape.
  fileprivate func gradient(of shape: Shape) -> Tensor {
    isZeroElement || shape == [0] ? .zero : summed(to: shape)
  }

  @derivative(of: +)
  @usableFromInline
  static func sumDerivative(
    _ a: Tensor, _ b: Tensor
  ) -> (value: Tensor, pullback: (Tensor) -> (Tensor, Tensor)) {
    let shapes = (a.shape, b.shape)
    return (a + b, { ($0.gradient(of: shapes.0), $0.gradient(of: shapes.1)) })
  }

  @derivative(of: -)
  @usableFromInline
  static func differenceDerivative(
    _ a: Tensor, _ b: Tensor
  ) -> (value: Tensor, pullback: (Tensor) -> (Tensor, Tensor)) {
    let shapes = (a.shape, b.shape)
    return (a - b, { ($0.gradient(of: shapes.0), -$0.gradient(of: shapes.1)) })
  }

  @derivative(of: *)
  @usableFromInline
  static func productDerivative(
    _ a: Tensor, _ b: Tensor
  ) -> (value: Tensor, pullback: (Tensor) -> (Tensor, Tensor)) {
    (
      a * b,
      {
        $0.isZeroElement
          ? ($0, $0) : (($0 * b).gradient(of: a.shape), ($0 * a).gradient(of: b.shape))
      }
    )
  }

  @derivative(of: /)
  @usableFromInline
  static func quotientDerivative(
    _ a: Tensor, _ b: Tensor
  ) -> (value: Tensor, pullback: (Tensor) -> (Tensor, Tensor)) {
    let value = a / b
    return (
      value,
      { upstream in
        if upstream.isZeroElement { return (upstream, upstream) }
        let numerator = upstream / b
        return (numerator.gradient(of: a.shape), -(numerator * value).gradient(of: b.shape))
      }
    )
  }

  @derivative(of: +=)
  @usableFromInline
  static func additionDerivative(
    _ a: inout Tensor, _ b: Tensor
  ) -> (value: Void, pullback: (inout Tensor) -> Tensor) {
    let shape = b.shape
    a += b
    return ((), { $0.gradient(of: shape) })
  }

  @derivative(of: -=)
  @usableFromInline
  static func subtractionDerivative(
    _ a: inout Tensor, _ b: Tensor
  ) -> (value: Void, pullback: (inout Tensor) -> Tensor) {
    let shape = b.shape
    a -= b
    return ((), { -$0.gradient(of: shape) })
  }

  @derivative(of: -)
  @usableFromInline
  static func negationDerivative(
    _ a: Tensor
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    (-a, { -$0 })
  }

  @derivative(of: squareRoot)
  @usableFromInline
  func squareRootDerivative() -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    let value = squareRoot()
    return (value, { $0.isZeroElement ? $0 : $0 / (value * 2) })
  }

  @derivative(of: exp)
  @usableFromInline
  func expDerivative() -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    let value = exp()
    return (value, { $0.isZeroElement ? $0 : $0 * value })
  }

  @derivative(of: log)
  @usableFromInline
  func logDerivative() -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    (log(), { $0.isZeroElement ? $0 : $0 / self })
  }
}

// With a number, which is a constant.
extension Tensor {
  @derivative(of: +, wrt: a)
  @usableFromInline
  static func offsetDerivative(
    _ a: Tensor, _ b: Float
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    (a + b, { $0 })
  }

  @derivative(of: -, wrt: a)
  @usableFromInline
  static func negativeOffsetDerivative(
    _ a: Tensor, _ b: Float
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    (a - b, { $0 })
  }

  @derivative(of: *, wrt: a)
  @usableFromInline
  static func scalingDerivative(
    _ a: Tensor, _ b: Float
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    (a * b, { $0.isZeroElement ? $0 : $0 * b })
  }

  @derivative(of: /, wrt: a)
  @usableFromInline
  static func divisionDerivative(
    _ a: Tensor, _ b: Float
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    (a / b, { $0.isZeroElement ? $0 : $0 / b })
  }

  @derivative(of: +, wrt: b)
  @usableFromInline
  static func offsetOfNumberDerivative(
    _ a: Float, _ b: Tensor
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    (a + b, { $0 })
  }

  @derivative(of: -, wrt: b)
  @usableFromInline
  static func differenceFromNumberDerivative(
    _ a: Float, _ b: Tensor
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    (a - b, { -$0 })
  }

  @derivative(of: *, wrt: b)
  @usableFromInline
  static func scalingOfNumberDerivative(
    _ a: Float, _ b: Tensor
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    (a * b, { $0.isZeroElement ? $0 : $0 * a })
  }

  @derivative(of: /, wrt: b)
  @usableFromInline
  static func quotientOfNumberDerivative(
    _ a: Float, _ b: Tensor
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    let value = a / b
    return (value, { $0.isZeroElement ? $0 : -($0 * value) / b })
  }
}
