import _Differentiation

/// Keeps gradients from growing beyond a norm; see ``Optimizer/update(_:along:clipNorm:)``.
public enum GradientClipping {
  /// The Euclidean norm over the gradients of all parameters that are not frozen, summed in Double.
  public static func norm<M: Module>(of gradient: M.TangentVector, for model: M) -> Float {
    var sum = 0.0
    model.forEachGradient(gradient) { _, gradient in
      gradient.withUnsafePointer { values in
        for i in 0..<gradient.count { sum += Double(values[i]) * Double(values[i]) }
      }
    }
    return Float(sum.squareRoot())
  }

  /// The factor that brings gradients of the given norm down to `maximum`, at most 1:
  /// min(1, maximum / (norm + 1e-6)), as in PyTorch.
  static func scale(norm: Float, maximum: Float) -> Float {
    min(1, maximum / (norm + 1e-6))
  }
}
