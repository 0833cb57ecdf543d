/// Where a training run stands, as shown on a terminal.
package struct ProgressState: Sendable {
  /// The current epoch, counted from 1.
  package var epoch: Int
  /// The number of epochs of the run.
  package var epochs: Int
  /// How many samples of this epoch are done.
  package var sample: Int
  /// The number of samples of an epoch.
  package var samples: Int
  /// The mean training loss of this epoch so far.
  package var loss: Double
  /// The share of samples classified correctly in this epoch so far, from 0 to 1; nil if it is not
  /// measured.
  package var accuracy: Double?
  /// The speed of training; 0 if it is not known yet.
  package var samplesPerSecond: Double = 0

  /// The share of this epoch that is done, from 0 to 1.
  package var fraction: Double {
    samples > 0 ? min(max(Double(sample) / Double(samples), 0), 1) : 0
  }

  /// The seconds until the last epoch ends at the present speed; nil if no speed is known.
  package var secondsLeft: Double? {
    guard samplesPerSecond > 0, samplesPerSecond.isFinite else { return nil }
    let epochsLeft = Double(max(epochs - epoch, 0)) + 1 - fraction
    return epochsLeft * Double(max(samples, 0)) / samplesPerSecond
  }
}
