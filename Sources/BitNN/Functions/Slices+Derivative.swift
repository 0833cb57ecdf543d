import BitCore
import _Differentiation

@derivative(of: concatenated)
@usableFromInline
func concatenatedDerivative(
  _ tensors: [Tensor], axis: Int
) -> (value: Tensor, pullback: (Tensor) -> [Tensor].DifferentiableView) {
  let value = concatenated(tensors, axis: axis)
  let axis = axis < 0 ? axis + value.shape.rank : axis
  let extents = tensors.map { $0.shape[axis] }
  return (
    value,
    { upstream in
      if upstream.isZeroElement { return .zero }
      var start = 0
      return [Tensor].DifferentiableView(
        extents.map { extent in
          defer { start += extent }
          return upstream.sliced(axis: axis, start..<start + extent)
        })
    }
  )
}

extension Tensor {
  @derivative(of: sliced)
  @usableFromInline
  func slicedDerivative(
    axis: Int, _ range: Range<Int>
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    let shape = self.shape
    return (
      sliced(axis: axis, range),
      { $0.isZeroElement ? $0 : $0.slicedReverse(of: shape, axis: axis, range) }
    )
  }

  @derivative(of: split)
  @usableFromInline
  func splitDerivative(
    parts: Int, axis: Int
  ) -> (value: [Tensor], pullback: ([Tensor].DifferentiableView) -> Tensor) {
    let value = split(parts: parts, axis: axis)
    let shape = value[0].shape
    return (
      value,
      { upstream in
        // A part on which nothing depends has no gradient, nor has any if nothing depends on all.
        if upstream.base.allSatisfy(\.isZeroElement) { return .zero }
        return concatenated(
          upstream.base.map { $0.isZeroElement ? .zeros(shape) : $0 }, axis: axis)
      }
    )
  }

  @derivative(of: gathered)
  @usableFromInline
  func gatheredDerivative(
    _ indices: [Int32], axis: Int
  ) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
    let shape = self.shape
    return (
      gathered(indices, axis: axis),
      { $0.isZeroElement ? $0 : $0.gatheredReverse(of: shape, indices, axis: axis) }
    )
  }
}
