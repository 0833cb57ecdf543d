/// Where the training of a language model stands, besides the model and the optimizer.
struct DecoderTrainingPosition: Sendable, Equatable {
  /// Steps taken.
  var step = 0
  /// Tokens trained with.
  var tokens = 0
  /// The time of all steps in seconds.
  var seconds = 0.0
  /// Sums since the last point of the history.
  var recentLoss = 0.0
  var recentSteps = 0

  /// Counts a step.
  mutating func add(loss: Double, tokens: Int, seconds: Double) {
    step += 1
    self.tokens += tokens
    self.seconds += seconds
    recentLoss += loss
    recentSteps += 1
  }

  /// The next point of the history, from which sums begin anew.
  mutating func point(
    learningRate: Double, gradientNorm: Double, flips: Double
  ) -> DecoderTrainingHistory.Point {
    defer { (recentLoss, recentSteps) = (0, 0) }
    return DecoderTrainingHistory.Point(
      step: step, loss: recentLoss / Double(max(1, recentSteps)), learningRate: learningRate,
      gradientNorm: gradientNorm, flips: flips, tokens: tokens, seconds: seconds)
  }

  /// As checkpoints have it.
  static var fields: JSONFields<DecoderTrainingPosition> {
    JSONFields(
      counts: [("step", \.step), ("tokens", \.tokens), ("recent_steps", \.recentSteps)],
      numbers: [("seconds", \.seconds), ("recent_loss", \.recentLoss)])
  }
}
