import BitCore

/// Where a training run stands, besides the model and the optimizer.
struct TrainingPosition: Sendable, Equatable {
  /// Steps taken.
  var step = 0
  /// The epoch under way, from 0.
  var epoch = 0
  /// Batches of that epoch that are done.
  var batch = 0
  /// The generator as it was at the start of the epoch.
  var generator: SeededGenerator
  /// Sums over the epoch so far: loss times samples, samples classified correctly, samples, seconds.
  var lossSum = 0.0
  var correct = 0
  var samples = 0
  var seconds = 0.0
  /// Sums since the last point of the history.
  var recentLoss = 0.0
  var recentSteps = 0

  /// The mean loss of the epoch's samples so far.
  var loss: Double { lossSum / Double(max(1, samples)) }
  /// The share of the epoch's samples so far that were classified correctly.
  var accuracy: Double { Double(correct) / Double(max(1, samples)) }

  /// Counts a step.
  mutating func add(loss: Double, correct: Int, samples: Int, seconds: Double) {
    step += 1
    batch += 1
    lossSum += loss * Double(samples)
    self.correct += correct
    self.samples += samples
    self.seconds += seconds
    recentLoss += loss
    recentSteps += 1
  }

  /// The start of the next epoch; `generator` is what this one left of it.
  func nextEpoch(_ generator: SeededGenerator) -> TrainingPosition {
    TrainingPosition(
      step: step, epoch: epoch + 1, generator: generator, recentLoss: recentLoss,
      recentSteps: recentSteps)
  }

  /// Everything but the generator, as checkpoints have it.
  static var fields: JSONFields<TrainingPosition> {
    JSONFields(
      counts: [
        ("step", \.step), ("epoch", \.epoch), ("batch", \.batch), ("correct", \.correct),
        ("samples", \.samples), ("recent_steps", \.recentSteps),
      ],
      numbers: [
        ("loss_sum", \.lossSum), ("seconds", \.seconds), ("recent_loss", \.recentLoss),
      ])
  }
}
