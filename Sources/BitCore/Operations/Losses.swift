/// Loss functions with their gradients, and what classifications read from logits.
public enum Losses {
  /// The mean over all values of `(x - target)^2`, and its gradient of the shape of `x`.
  public static func meanSquaredError(
    _ x: Tensor, target: Tensor
  ) -> (loss: Float, gradient: Tensor) {
    precondition(
      x.shape == target.shape, "values of shape \(x.shape) for targets of shape \(target.shape)")
    let difference = x - target
    var total = 0.0
    difference.withUnsafePointer { d in
      for i in 0..<x.count { total += Double(d[i]) * Double(d[i]) }
    }
    let count = max(1, x.count)
    return (Float(total / Double(count)), difference * (2 / Float(count)))
  }

  /// The class with the largest value in each row: the first of equal ones, and never a NaN.
  public static func predictions(_ logits: Tensor) -> [Int32] {
    let classes = logits.shape.features
    let rows = logits.shape.rows
    return logits.withUnsafePointer { logits in
      (0..<rows).map { row in
        var best = 0
        var largest = -Float.infinity
        for c in 0..<classes where logits[row * classes + c] > largest {
          largest = logits[row * classes + c]
          best = c
        }
        return Int32(best)
      }
    }
  }

  /// The softmax probability of one class in each row.
  public static func probabilities(_ logits: Tensor, of classes: [Int32]) -> [Float] {
    let count = logits.shape.features
    return logits.withUnsafePointer { logits in
      classes.enumerated().map { row, chosen in
        let x = logits + row * count
        let sum = (0..<count).reduce(Float(0)) { $0 + SystemMath.exp(x[$1] - x[Int(chosen)]) }
        return 1 / sum
      }
    }
  }
}
