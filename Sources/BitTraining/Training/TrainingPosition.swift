import BitNN
import BitFiles
import BitCore
import BitFormats

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
  /// Sums over the epoch so far: loss times samples, samples recognised, samples, seconds.
  var lossSum = 0.0
  var correct = 0
  var samples = 0
  var seconds = 0.0
  /// Sums since the last point of the history.
  var recentLoss = 0.0
  var recentSteps = 0
}

extension TrainingPosition {
  /// Everything but the generator.
  var json: JSONValue {
    .object([
      "step": .integer(Int64(step)), "epoch": .integer(Int64(epoch)),
      "batch": .integer(Int64(batch)), "loss_sum": .number(lossSum),
      "correct": .integer(Int64(correct)), "samples": .integer(Int64(samples)),
      "seconds": .number(seconds), "recent_loss": .number(recentLoss),
      "recent_steps": .integer(Int64(recentSteps)),
    ])
  }

  /// Counts that a run can reach, and go on from without an overflow.
  static let countable = 0...1 << 53

  /// Reads what ``json`` wrote; nil if it is something else.
  init?(json: JSONValue, generator: SeededGenerator) {
    func integer(_ key: String) -> Int? {
      json[key]?.integerValue.flatMap { Int(exactly: $0) }.flatMap {
        Self.countable.contains($0) ? $0 : nil
      }
    }
    guard let step = integer("step"), let epoch = integer("epoch"), let batch = integer("batch"),
      let lossSum = json["loss_sum"]?.doubleValue, let correct = integer("correct"),
      let samples = integer("samples"), let seconds = json["seconds"]?.doubleValue,
      let recentLoss = json["recent_loss"]?.doubleValue, let recentSteps = integer("recent_steps")
    else { return nil }
    self.init(
      step: step, epoch: epoch, batch: batch, generator: generator, lossSum: lossSum,
      correct: correct, samples: samples, seconds: seconds, recentLoss: recentLoss,
      recentSteps: recentSteps)
  }
}
