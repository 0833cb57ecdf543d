import BitCore
import BitFormats
@testable import BitTraining
import Synchronization

import BitNN

/// Samples of three classes: a mean for each class, and noise.
func syntheticData(
  train: Int = 300, test: Int = 90, features: Int = 20, noise: Float = 0.8, seed: UInt64 = 11
) throws -> TrainTestData {
  var generator = SeededGenerator(seed: seed)
  let means = generator.normal([3, features])
  func set(_ name: String, _ count: Int) throws -> LabeledDataset {
    let labels = (0..<count).map { Int32($0 % 3) }
    let noise = generator.normal([count, features], standardDeviation: noise).scalars
    let values = noise.enumerated().map { i, value in
      value + means[Int(labels[i / features]), i % features]
    }
    return try LabeledDataset(
      name: name, values: values, sampleShape: [features], labels: labels, classCount: 3)
  }
  return try TrainTestData(train: set("train", train), test: set("test", test))
}

extension TrainingHistory {
  /// The history without the times, which differ from run to run.
  var withoutTimes: TrainingHistory {
    var result = self
    for i in result.epochs.indices { result.epochs[i].seconds = 0 }
    return result
  }
}

/// Says stop when it was asked `count` times.
final class StopAfter: Sendable {
  private let rest: Mutex<Int>

  init(_ count: Int) { rest = Mutex(count) }

  var isDue: Bool {
    rest.withLock {
      $0 -= 1
      return $0 == 0
    }
  }
}
