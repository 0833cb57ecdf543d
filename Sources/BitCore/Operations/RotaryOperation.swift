/// Rotary position embedding of the heads of a sequence (Su et al., arXiv 2104.09864), with the
/// arithmetic with which language models run.
///
/// Element `i` of the first `half` and element `i + half` are a pair, which turns by the angle of
/// its position:
///
///     y[i]        = x[i] * cosine[i] - x[i + half] * sine[i]
///     y[i + half] = x[i + half] * cosine[i] + x[i] * sine[i]
///
/// Elements from `2 * half` on stay as they are.
public enum RotaryOperation {
  /// The turned heads.
  ///
  /// - Parameters:
  ///   - x: `[..., positions, heads, length]`.
  ///   - cosines: those of the angles, `[positions, half]`, with `2 * half <= length`.
  ///   - sines: those of the angles, `[positions, half]`.
  /// - Returns: a tensor of the shape of `x`.
  public static func forward(_ x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor {
    let shape = x.shape
    precondition(shape.rank >= 3, "heads are [..., positions, heads, length], not \(shape)")
    let (positions, heads, length) = (
      shape[shape.rank - 3], shape[shape.rank - 2], shape[shape.rank - 1]
    )
    precondition(
      cosines.shape == sines.shape && cosines.shape.rank == 2 && cosines.shape[0] == positions
        && 2 * cosines.shape[1] <= length,
      "tables of shapes \(cosines.shape) and \(sines.shape) do not fit heads of shape \(shape)")
    let (half, math) = (cosines.shape[1], DecoderMath())
    return Tensor.build(shape) { out in
      x.withUnsafePointer { x in
        cosines.withUnsafePointer { cosines in
          sines.withUnsafePointer { sines in
            ThreadPool.shared.forEachRow(shape.rows, length) { head in
              let place = head / heads % positions * half
              math.rotate(
                x + head * length, length: length,
                cosines: UnsafeBufferPointer(start: cosines + place, count: half),
                sines: sines + place, isInterleaved: false, out + head * length)
            }
          }
        }
      }
    }
  }

  /// The gradient of the heads: the upstream gradient, turned by the negative angles.
  public static func reverse(cosines: Tensor, sines: Tensor, upstream: Tensor) -> Tensor {
    forward(upstream, cosines: cosines, sines: -sines)
  }
}
