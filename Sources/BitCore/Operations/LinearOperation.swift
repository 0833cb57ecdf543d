/// The float linear map y = x W^T + b.
public enum LinearOperation {
  /// The output.
  ///
  /// - Parameters:
  ///   - x: `[..., in]`.
  ///   - weight: `[out, in]`.
  ///   - bias: `[out]` or nil.
  ///   - matmul: how to multiply float matrices.
  /// - Returns: `[..., out]`.
  public static func forward(
    _ x: Tensor, weight: Tensor, bias: Tensor?, matmul: FloatMatmul = .portable
  ) -> Tensor {
    forward(x, weight: weight, bias: bias, matmul: matmul, output: .newTensor)
  }

  /// The same, with a destination for the output.
  static func forward(
    _ x: Tensor, weight: Tensor, bias: Tensor?, matmul: FloatMatmul, output: Tensor.Destination
  ) -> Tensor {
    precondition(
      x.shape.rank > 0 && weight.shape.rank == 2 && x.shape.features == weight.shape[1],
      "an input of shape \(x.shape) does not fit a weight of shape \(weight.shape)")
    let shape = x.shape.replacingFeatures(weight.shape[0])
    return output.build(shape) { y in
      matmul.multiply(x, weight, transposeB: true, into: y)
      bias?.add(toRowsOf: y, shape)
    }
  }

  /// The gradients dX = dY W (if wanted), dW = dY^T X, db = sum of dY.
  public static func reverse(
    _ x: Tensor, weight: Tensor, bias: Tensor?, upstream: Tensor, wantsInput: Bool = true,
    matmul: FloatMatmul = .portable
  ) -> (input: Tensor, weight: Tensor, bias: Tensor?) {
    (
      wantsInput ? matmul(upstream, weight).reshaped(x.shape) : .zero,
      matmul(upstream, x, transposeA: true),
      bias == nil ? nil : upstream.sumOfRows()
    )
  }
}
