import BitCore

/// Keeps gradients from growing beyond a norm; see ``Optimizer/update(_:along:clipNorm:)``.
public enum GradientClipping {
  /// The Euclidean norm over the gradients of all parameters that are not frozen.
  public static func norm<M: Module>(of gradient: M.TangentVector, for model: M) -> Float {
    norm(of: model.gradients(gradient))
  }

  /// The Euclidean norm over all gradients, summed in Double in an order that does not depend on the
  /// number of threads.
  public static func norm(of gradients: [Tensor]) -> Float {
    Float(gradients.reduce(0) { $0 + $1.sumOfSquares() }.squareRoot())
  }

  /// The factor that brings gradients of the given norm down to `maximum`, at most 1:
  /// min(1, maximum / (norm + 1e-6)), as in PyTorch.
  static func scale(norm: Float, maximum: Float) -> Float {
    min(1, maximum / (norm + 1e-6))
  }
}
