/// Loss functions with their gradients, and what classifications read from logits.
public enum Losses {
  /// Softmax cross entropy, the mean over rows of `-sum_c target_c * log softmax(logits)_c`.
  ///
  /// - Parameters:
  ///   - logits: `[..., classes]`.
  ///   - labels: the class of each row, 0..<classes.
  ///   - labelSmoothing: the part of each target, 0...1, that is spread evenly over all classes.
  /// - Returns: the loss, and its gradient `[..., classes]`.
  public static func softmaxCrossEntropy(
    _ logits: Tensor, labels: [Int32], labelSmoothing: Float = 0
  ) -> (loss: Float, gradient: Tensor) {
    let (rows, classes) = (logits.shape.rows, logits.shape.features)
    precondition(
      labels.count == rows, "\(labels.count) labels do not fit logits of shape \(logits.shape)")
    precondition(
      labels.allSatisfy { $0 >= 0 && $0 < classes }, "a label is outside 0..<\(classes)")
    var total = 0.0
    let evenShare = labelSmoothing / Float(classes)
    let gradient = Tensor.build(logits.shape) { out in
      logits.withUnsafePointer { logits in
        for row in 0..<rows {
          let (x, d) = (logits + row * classes, out + row * classes)
          var largest = -Float.infinity
          for c in 0..<classes { largest = max(largest, x[c]) }
          var sum: Float = 0
          var logitSum = 0.0
          for c in 0..<classes {
            d[c] = SystemMath.exp(x[c] - largest)
            sum += d[c]
            logitSum += Double(x[c])
          }
          // In Double, because a small loss would be lost next to large logits.
          let logSum = Double(largest) + Double(SystemMath.log(sum))
          let label = Int(labels[row])
          total += Double(1 - labelSmoothing) * (logSum - Double(x[label]))
          if labelSmoothing > 0 {
            total += Double(labelSmoothing) * (logSum - logitSum / Double(classes))
          }
          for c in 0..<classes {
            let target = evenShare + (c == label ? 1 - labelSmoothing : 0)
            d[c] = (d[c] / sum - target) / Float(rows)
          }
        }
      }
    }
    return (rows == 0 ? 0 : Float(total / Double(rows)), gradient)
  }

  /// The mean over all values of `(x - target)^2`, and its gradient of the shape of `x`.
  public static func meanSquaredError(
    _ x: Tensor, target: Tensor
  ) -> (loss: Float, gradient: Tensor) {
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
