import CBitKernels

/// Softmax over the last axis, `exp(x_i) / sum_j exp(x_j)`, with the exponentials of `bitdecoder.h`.
///
/// A row that sees nothing, because all that it may see is -infinity, is zeros and not NaN: so a
/// padded position attends to nothing. A NaN or +infinity that a row sees makes all of what it sees
/// NaN, and leaves other rows alone.
public enum SoftmaxOperation {
  /// The softmax of every row.
  ///
  /// - Parameters:
  ///   - x: `[..., n]`; at least `[queries, keys]` with queries <= keys for a causal mask.
  ///   - mask: what each row sees.
  /// - Returns: a tensor of the shape of `x`; zero where a row does not see.
  public static func forward(_ x: Tensor, mask: SoftmaxMask = .none) -> Tensor {
    let width = x.shape.features
    let visible = Visible(x.shape, mask)
    if case .additive(let values) = mask {
      precondition(
        x.shape.broadcast(with: values.shape) == x.shape,
        "a mask of shape \(values.shape) does not broadcast to \(x.shape)")
      return forward(x + values)
    }
    let row = ExponentialRow()
    return Tensor.build(x.shape) { out in
      x.withUnsafePointer { x in
        ThreadPool.shared.forEachRow(visible.rows, width) { index in
          let (x, out) = (x + index * width, out + index * width)
          let seen = visible.count(index)
          row.softmax(x, seen, out)
          (out + seen).update(repeating: 0, count: width - seen)
        }
      }
    }
  }

  /// The gradient of the input, `y * (dy - sum(dy * y))` in each row.
  ///
  /// - Parameters:
  ///   - output: what ``forward(_:mask:)`` returned.
  ///   - mask: the mask of that call.
  ///   - upstream: the gradient of the output.
  public static func reverse(
    output: Tensor, mask: SoftmaxMask = .none, upstream: Tensor
  ) -> Tensor {
    precondition(
      upstream.shape == output.shape, "a gradient of shape \(upstream.shape) for \(output.shape)")
    let width = output.shape.features
    let visible = Visible(output.shape, mask)
    return Tensor.build(output.shape) { out in
      output.withUnsafePointer { y in
        upstream.withUnsafePointer { dy in
          ThreadPool.shared.forEachRow(visible.rows, width) { index in
            let (y, dy, out) = (y + index * width, dy + index * width, out + index * width)
            let seen = visible.count(index)
            let product = RowSum.dot(y, dy, seen)
            Tensor.combine(y, dy, seen, out) { $0 * ($1 - product) }
            (out + seen).update(repeating: 0, count: width - seen)
          }
        }
      }
    }
  }

  /// How many of the first values a row sees, before anything is added to them.
  private struct Visible {
    let rows: Int
    private let queries: Int
    private let keys: Int
    private let isCausal: Bool

    init(_ shape: Shape, _ mask: SoftmaxMask) {
      rows = shape.rows
      keys = shape.features
      if case .causal = mask {
        precondition(
          shape.rank >= 2 && shape[shape.rank - 2] <= keys,
          "a causal mask needs [..., queries, keys] with at least as many keys, not \(shape)")
        (queries, isCausal) = (shape[shape.rank - 2], true)
      } else {
        precondition(shape.rank >= 1, "the softmax of a tensor without axes")
        (queries, isCausal) = (1, false)
      }
    }

    func count(_ row: Int) -> Int {
      isCausal ? keys - queries + row % queries + 1 : keys
    }
  }
}

extension ThreadPool {
  /// Calls `body` for each of some rows of values, on many threads.
  func forEachRow(_ rows: Int, _ width: Int, _ body: (Int) -> Void) {
    parallelFor(rows, grain: 1 + 8_192 / (width + 1)) { range in
      for row in range { body(row) }
    }
  }
}
