import BitFiles

/// What a training run measured so far.
public struct TrainingHistory: Sendable, Equatable {
  /// The mean training loss over some steps.
  public struct LossPoint: Sendable, Equatable {
    /// When in the training, in epochs.
    public var epoch: Double
    /// The mean loss of the steps since the last point.
    public var loss: Double
  }

  /// The figures of one epoch.
  public struct Epoch: Sendable, Equatable {
    /// Counted from 1.
    public var epoch = 0
    /// The steps taken since the start of the training.
    public var step = 0
    /// The mean loss of the training samples, each at its step.
    public var trainLoss = 0.0
    /// The share of training samples classified correctly, each at its step.
    public var trainAccuracy = 0.0
    /// The mean loss of the test samples at the epoch's end.
    public var testLoss = 0.0
    /// The share of test samples classified correctly at the epoch's end.
    public var testAccuracy = 0.0
    /// The learning rate of the epoch's last step.
    public var learningRate = 0.0
    /// The time of the epoch's training steps in seconds, without evaluation.
    public var seconds = 0.0
  }

  /// Training losses along the way.
  public var losses: [LossPoint] = []
  /// The completed epochs.
  public var epochs: [Epoch] = []

  /// An empty history.
  public init() {}
}

extension TrainingHistory {
  /// One JSON object per epoch, a line each.
  public var jsonLines: String {
    epochs.map { JSONValue.object(Epoch.fields.object($0)).encoded + "\n" }.joined()
  }

  var json: JSONValue {
    .object([
      "losses": .array(losses.map { .array([.number($0.epoch), .number($0.loss)]) }),
      "epochs": .array(epochs.map { .object(Epoch.fields.object($0)) }),
    ])
  }

  /// Reads what ``json`` wrote; nil if it is something else.
  init?(json: JSONValue) {
    guard let points = json["losses"]?.arrayValue, let epochs = json["epochs"]?.arrayValue else {
      return nil
    }
    losses = points.compactMap { point in
      guard let epoch = point[0]?.doubleValue, let loss = point[1]?.doubleValue else { return nil }
      return LossPoint(epoch: epoch, loss: loss)
    }
    self.epochs = epochs.compactMap { epoch in
      epoch.objectValue.flatMap { Epoch.fields.value($0, in: Epoch()) }
    }
    guard losses.count == points.count, self.epochs.count == epochs.count else { return nil }
  }
}

extension TrainingHistory.Epoch {
  fileprivate static var fields: JSONFields<Self> {
    JSONFields(
      counts: [("epoch", \.epoch), ("step", \.step)],
      numbers: [
        ("train_loss", \.trainLoss), ("train_accuracy", \.trainAccuracy),
        ("test_loss", \.testLoss), ("test_accuracy", \.testAccuracy),
        ("learning_rate", \.learningRate), ("seconds", \.seconds),
      ])
  }
}
