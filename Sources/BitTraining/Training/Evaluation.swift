import BitCore

/// How a classifier did on a data set.
public struct Evaluation: Sendable {
  /// The mean softmax cross entropy.
  public let loss: Double
  /// The share of samples classified correctly.
  public let accuracy: Double
  /// The predicted class of each sample.
  public let predictions: [Int32]
  /// The softmax probability of each prediction.
  public let confidences: [Float]
  /// The time in the model, in seconds.
  public let seconds: Double

  /// Runs a classifier over a data set in order.
  ///
  /// - Parameters:
  ///   - data: the samples.
  ///   - standardization: what the classifier was trained with.
  ///   - batchSize: samples per call of the model. With a recipe that has one activation scale for
  ///     the whole tensor, results depend on it.
  ///   - model: gives logits `[batch, classes]` for inputs `[batch, features]`.
  public static func measure(
    on data: LabeledDataset, standardization: Standardization, batchSize: Int = 500,
    model: (Tensor) -> Tensor
  ) -> Evaluation {
    precondition(batchSize > 0, "a batch holds at least one sample")
    let clock = ContinuousClock()
    var loss = 0.0
    var predictions: [Int32] = []
    var confidences: [Float] = []
    var time = Duration.zero
    for start in stride(from: 0, to: data.count, by: batchSize) {
      let range = start..<min(start + batchSize, data.count)
      let inputs = data.inputs(range, standardization: standardization)
      let labels = Array(data.labels[range])
      let begin = clock.now
      let logits = model(inputs)
      time += clock.now - begin
      let answers = Losses.predictions(logits)
      predictions += answers
      confidences += Losses.probabilities(logits, of: answers)
      loss += Double(Losses.softmaxCrossEntropy(logits, labels: labels).loss) * Double(range.count)
    }
    let correct = zip(predictions, data.labels).count { $0 == $1 }
    return Evaluation(
      loss: loss / Double(data.count), accuracy: Double(correct) / Double(data.count),
      predictions: predictions, confidences: confidences, seconds: time.seconds)
  }
}

extension Duration {
  /// The duration in seconds.
  package var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}
