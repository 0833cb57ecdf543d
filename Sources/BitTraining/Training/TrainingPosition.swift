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
