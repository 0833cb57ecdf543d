extension Losses {
  /// Softmax cross entropy, the mean over rows of `-sum_c target_c * log softmax(logits)_c`.
  ///
  /// The loss is added up in Double in the order of the rows.
  ///
  /// - Parameters:
  ///   - logits: `[..., classes]`.
  ///   - labels: the class of each row, 0..<classes, or `ignoredLabel`.
  ///   - labelSmoothing: the part of each target, 0...1, that is spread evenly over all classes.
  ///   - ignoredLabel: rows with this label count neither in the sum nor in the mean, whatever their
  ///     logits are, and have the gradient zero. If all rows are ignored, the loss is 0.
  ///   - divisor: what to divide the sum by instead of the number of rows that count, so that the
  ///     losses of the parts of a batch add up to that of the batch.
  /// - Returns: the loss, and its gradient `[..., classes]`.
  public static func softmaxCrossEntropy(
    _ logits: Tensor, labels: [Int32], labelSmoothing: Float = 0, ignoredLabel: Int32? = nil,
    divisor: Int? = nil
  ) -> (loss: Float, gradient: Tensor) {
    let entropy = CrossEntropy(logits, labels, labelSmoothing, ignoredLabel)
    let divisor = entropy.divisor(divisor)
    var losses: [Double] = []
    let gradient = Tensor.build(logits.shape) {
      losses = entropy.rowLosses(gradient: $0, divisor: divisor)
    }
    return (mean(losses, divisor), gradient)
  }

  /// The loss that ``softmaxCrossEntropy(_:labels:labelSmoothing:ignoredLabel:divisor:)`` returns,
  /// without its gradient.
  package static func softmaxCrossEntropyLoss(
    _ logits: Tensor, labels: [Int32], labelSmoothing: Float = 0, ignoredLabel: Int32? = nil,
    divisor: Int? = nil
  ) -> Float {
    let entropy = CrossEntropy(logits, labels, labelSmoothing, ignoredLabel)
    return mean(entropy.rowLosses(), entropy.divisor(divisor))
  }

  /// The softmax cross entropy of each row, 0 for ignored ones.
  package static func crossEntropies(
    _ logits: Tensor, labels: [Int32], labelSmoothing: Float = 0, ignoredLabel: Int32? = nil
  ) -> [Double] {
    CrossEntropy(logits, labels, labelSmoothing, ignoredLabel).rowLosses()
  }

  private static func mean(_ losses: [Double], _ divisor: Int) -> Float {
    Float(losses.reduce(0, +) / Double(divisor))
  }
}

/// The logits and targets of a softmax cross entropy.
private struct CrossEntropy {
  private let logits: Tensor
  private let labels: [Int32]
  private let labelSmoothing: Float
  private let ignoredLabel: Int32?

  init(_ logits: Tensor, _ labels: [Int32], _ labelSmoothing: Float, _ ignoredLabel: Int32?) {
    precondition(
      labels.count == logits.shape.rows,
      "\(labels.count) labels do not fit logits of shape \(logits.shape)")
    let classes = logits.shape.features
    precondition(
      labels.allSatisfy { $0 >= 0 && $0 < classes || $0 == ignoredLabel },
      "a label is outside 0..<\(classes)")
    (self.logits, self.labels) = (logits, labels)
    (self.labelSmoothing, self.ignoredLabel) = (labelSmoothing, ignoredLabel)
  }

  /// What the sum of the rows is divided by.
  func divisor(_ given: Int?) -> Int {
    if let given {
      precondition(given > 0, "a loss divided by \(given)")
      return given
    }
    return max(1, ignoredLabel == nil ? labels.count : labels.count { $0 != ignoredLabel })
  }

  /// The loss of each row, 0 for ignored ones.
  ///
  /// - Parameters:
  ///   - gradient: where to write the gradient of the sum of the losses over `divisor`, if anywhere.
  ///   - divisor: at least 1.
  func rowLosses(gradient: UnsafeMutablePointer<Float>? = nil, divisor: Int = 1) -> [Double] {
    let classes = logits.shape.features
    let rule = CrossEntropyRow(labelSmoothing: labelSmoothing, ignoredLabel: ignoredLabel)
    return [Double](unsafeUninitializedCapacity: labels.count) { losses, count in
      nonisolated(unsafe) let losses = losses
      logits.withUnsafePointer { logits in
        ThreadPool.shared.forEachRow(labels.count, classes) { row in
          losses[row] = rule.loss(
            logits + row * classes, classes, label: labels[row],
            gradient: gradient.map { $0 + row * classes }, divisor: Float(divisor))
        }
      }
      count = labels.count
    }
  }
}

/// The softmax cross entropy of one row of logits.
struct CrossEntropyRow: Sendable {
  var labelSmoothing: Float = 0
  var ignoredLabel: Int32?

  /// The loss: 0 for an ignored row, NaN unless the largest logit is finite.
  ///
  /// - Parameters:
  ///   - x: the logits, one for each class.
  ///   - classes: their number.
  ///   - label: the class, or the ignored label.
  ///   - gradient: where to write the gradient of the loss over `divisor`, if anywhere; may be `x`.
  ///   - divisor: above 0.
  func loss(
    _ x: UnsafePointer<Float>, _ classes: Int, label: Int32,
    gradient: UnsafeMutablePointer<Float>?, divisor: Float
  ) -> Double {
    if label == ignoredLabel {
      gradient?.update(repeating: 0, count: classes)
      return 0
    }
    let exponentials = ExponentialRow()
    let largest = exponentials.largest(x, classes)
    guard largest.isFinite else {
      gradient?.update(repeating: .nan, count: classes)
      return .nan
    }
    // Before the gradient may replace the logits.
    let target = Double(x[Int(label)])
    let mean =
      labelSmoothing > 0 ? (0..<classes).reduce(0.0) { $0 + Double(x[$1]) } / Double(classes) : 0
    let sum = exponentials.exponentials(x, classes, shift: largest, gradient)
    // In Double, because a small loss would be lost next to large logits.
    let logSum = Double(largest) + PortableMath.log(sum)
    if let gradient {
      let factor = Float(1 / (sum * Double(divisor)))
      let evenShare = labelSmoothing / Float(classes) / divisor
      Tensor.map(gradient, classes, gradient) { $0 * factor - evenShare }
      gradient[Int(label)] -= (1 - labelSmoothing) / divisor
    }
    return Double(1 - labelSmoothing) * (logSum - target)
      + Double(labelSmoothing) * (logSum - mean)
  }
}
