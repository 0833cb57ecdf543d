/// Tensors one after the other along an axis.
///
/// - Parameters:
///   - tensors: at least one; their shapes are equal but for the extent of `axis`.
///   - axis: the axis along which they follow each other; negative numbers count from the end.
public func concatenated(_ tensors: [Tensor], axis: Int = 0) -> Tensor {
  precondition(!tensors.isEmpty, "no tensors to concatenate")
  let shape = tensors[0].shape
  let axis = shape.axis(axis)
  for tensor in tensors {
    precondition(
      tensor.shape.rank == shape.rank
        && tensor.shape.replacing(axis: axis, with: shape[axis]) == shape,
      "tensors of shapes \(shape) and \(tensor.shape) do not fit together along axis \(axis)")
  }
  let total = tensors.reduce(0) { $0 + $1.shape[axis] }
  let (outer, _, inner) = shape.split(at: axis)
  return Tensor.build(shape.replacing(axis: axis, with: total)) { out in
    var start = 0
    for tensor in tensors {
      let length = tensor.shape[axis] * inner
      tensor.withUnsafePointer { x in
        Tensor.copyBlocks(
          outer, length, x, stride: length, to: out + start, stride: total * inner)
      }
      start += length
    }
  }
}

extension Tensor {
  /// The part of the tensor with a range of indices of one axis.
  ///
  /// - Parameters:
  ///   - axis: the axis; negative numbers count from the end.
  ///   - range: indices within its extent.
  public func sliced(axis: Int, _ range: Range<Int>) -> Tensor {
    let (axis, outer, extent, inner) = Self.blocks(shape, axis, range)
    return Tensor.build(shape.replacing(axis: axis, with: range.count)) { out in
      withUnsafePointer { x in
        Self.copyBlocks(
          outer, range.count * inner, x + range.lowerBound * inner, stride: extent * inner,
          to: out, stride: range.count * inner)
      }
    }
  }

  /// The tensor in equal parts along an axis.
  ///
  /// - Parameters:
  ///   - parts: the number of parts, which divides the extent of the axis.
  ///   - axis: the axis; negative numbers count from the end.
  public func split(parts: Int, axis: Int = 0) -> [Tensor] {
    let extent = shape[shape.axis(axis)]
    precondition(
      parts > 0 && extent % parts == 0, "\(parts) parts do not divide axis \(axis) of \(shape)")
    let size = extent / parts
    return (0..<parts).map { sliced(axis: axis, $0 * size..<($0 + 1) * size) }
  }

  /// The gradient of a tensor of `shape` from this one of its part: zero outside of `range`.
  package func slicedReverse(of shape: Shape, axis: Int, _ range: Range<Int>) -> Tensor {
    let (axis, outer, extent, inner) = Self.blocks(shape, axis, range)
    precondition(
      self.shape == shape.replacing(axis: axis, with: range.count),
      "a gradient of shape \(self.shape) for \(range) of axis \(axis) of \(shape)")
    var gradient = Tensor.zeros(shape)
    gradient.withUnsafeMutablePointer { gradient in
      withUnsafePointer { upstream in
        Self.copyBlocks(
          outer, range.count * inner, upstream, stride: range.count * inner,
          to: gradient + range.lowerBound * inner, stride: extent * inner)
      }
    }
    return gradient
  }

  private static func blocks(
    _ shape: Shape, _ axis: Int, _ range: Range<Int>
  ) -> (axis: Int, outer: Int, extent: Int, inner: Int) {
    let axis = shape.axis(axis)
    let (outer, extent, inner) = shape.split(at: axis)
    precondition(
      range.lowerBound >= 0 && range.upperBound <= extent,
      "\(range) is outside axis \(axis) of a tensor of shape \(shape)")
    return (axis, outer, extent, inner)
  }

  /// Copies `count` blocks of `length` values.
  fileprivate static func copyBlocks(
    _ count: Int, _ length: Int, _ source: UnsafePointer<Float>, stride sourceStride: Int,
    to target: UnsafeMutablePointer<Float>, stride targetStride: Int
  ) {
    ThreadPool.shared.parallelFor(count, grain: 1 + parallelGrain / (length + 1)) { range in
      for block in range {
        (target + block * targetStride).update(from: source + block * sourceStride, count: length)
      }
    }
  }
}
