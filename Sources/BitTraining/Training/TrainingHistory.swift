import BitNN
import BitFiles
import BitCore
import BitFormats

/// What a training run measured so far.
public struct TrainingHistory: Sendable, Equatable {
  /// The mean training loss over some steps.
  public struct LossPoint: Sendable, Equatable {
    /// Where in the training, in epochs.
    public var epoch: Double
    /// The mean loss of the steps since the last point.
    public var loss: Double
  }

  /// The figures of one epoch.
  public struct Epoch: Sendable, Equatable {
    /// Counted from 1.
    public var epoch: Int
    /// The steps taken since the start of the training.
    public var step: Int
    /// The mean loss of the training samples while they were learnt.
    public var trainLoss: Double
    /// The share of training samples recognised while they were learnt.
    public var trainAccuracy: Double
    /// The mean loss of the test samples at the epoch's end.
    public var testLoss: Double
    /// The share of test samples recognised at the epoch's end.
    public var testAccuracy: Double
    /// The learning rate of the epoch's last step.
    public var learningRate: Double
    /// The time of the epoch's training steps in seconds, without evaluation.
    public var seconds: Double
  }

  /// Training losses along the way.
  public var losses: [LossPoint] = []
  /// The epochs that are done.
  public var epochs: [Epoch] = []

  /// A history of nothing.
  public init() {}
}

extension TrainingHistory {
  /// One JSON object for each epoch, a line each.
  public var jsonLines: String {
    epochs.map { JSONValue.object($0.json).encoded + "\n" }.joined()
  }

  var json: JSONValue {
    .object([
      "losses": .array(losses.map { .array([.number($0.epoch), .number($0.loss)]) }),
      "epochs": .array(epochs.map { .object($0.json) }),
    ])
  }

  /// Reads what ``json`` wrote; nil if it is something else.
  init?(json: JSONValue) {
    guard let points = json["losses"]?.arrayValue, let epochs = json["epochs"]?.arrayValue else {
      return nil
    }
    for point in points {
      guard let epoch = point[0]?.doubleValue, let loss = point[1]?.doubleValue else { return nil }
      losses.append(LossPoint(epoch: epoch, loss: loss))
    }
    for value in epochs {
      guard let epoch = Epoch(json: value) else { return nil }
      self.epochs.append(epoch)
    }
  }
}

extension TrainingHistory.Epoch {
  fileprivate var json: JSONObject {
    [
      "epoch": .integer(Int64(epoch)), "step": .integer(Int64(step)),
      "train_loss": .number(trainLoss), "train_accuracy": .number(trainAccuracy),
      "test_loss": .number(testLoss), "test_accuracy": .number(testAccuracy),
      "learning_rate": .number(learningRate), "seconds": .number(seconds),
    ]
  }

  fileprivate init?(json: JSONValue) {
    func number(_ key: String) -> Double? { json[key]?.doubleValue }
    guard let epoch = json["epoch"]?.integerValue, let step = json["step"]?.integerValue,
      let trainLoss = number("train_loss"), let trainAccuracy = number("train_accuracy"),
      let testLoss = number("test_loss"), let testAccuracy = number("test_accuracy"),
      let learningRate = number("learning_rate"), let seconds = number("seconds")
    else { return nil }
    self.init(
      epoch: Int(epoch), step: Int(step), trainLoss: trainLoss, trainAccuracy: trainAccuracy,
      testLoss: testLoss, testAccuracy: testAccuracy, learningRate: learningRate,
      seconds: seconds)
  }
}
