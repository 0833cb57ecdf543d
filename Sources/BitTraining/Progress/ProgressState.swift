/// Where a training run stands, as shown on a terminal.
package struct ProgressState: Sendable {
  /// What is under way: "Epoch 3/10" or "Step 120/2000".
  package let label: String
  /// The share of it that is done, from 0 to 1.
  package let fraction: Double
  /// The mean training loss of late.
  package let loss: Double
  /// The share of samples classified correctly, from 0 to 1; nil if it is not measured.
  package let accuracy: Double?
  /// The speed of training, in units a second; 0 if it is not known yet.
  package let speed: Double
  /// What is counted: "samples" or "tokens".
  package let unit: String
  /// The seconds until the end of the run at the present speed; nil if no speed is known.
  package let secondsLeft: Double?

  /// A run of epochs.
  ///
  /// - Parameters:
  ///   - epoch: the current epoch, counted from 1.
  ///   - epochs: the number of epochs of the run.
  ///   - sample: how many samples of this epoch are done.
  ///   - samples: the number of samples of an epoch.
  ///   - loss: the mean training loss of this epoch so far.
  ///   - accuracy: the share of its samples classified correctly, if that is measured.
  ///   - samplesPerSecond: the speed; 0 if it is not known yet.
  package init(
    epoch: Int, epochs: Int, sample: Int, samples: Int, loss: Double, accuracy: Double? = nil,
    samplesPerSecond: Double = 0
  ) {
    let fraction = samples > 0 ? min(max(Double(sample) / Double(samples), 0), 1) : 0
    let epochsLeft = Double(max(epochs - epoch, 0)) + 1 - fraction
    self.init(
      label: Self.label("Epoch", epoch, of: epochs), fraction: fraction, loss: loss,
      accuracy: accuracy, speed: samplesPerSecond, unit: "samples",
      unitsLeft: epochsLeft * Double(max(samples, 0)))
  }

  /// A run of steps.
  ///
  /// - Parameters:
  ///   - step: the steps that are done.
  ///   - steps: the number of steps of the run.
  ///   - loss: the mean training loss of late.
  ///   - tokensPerStep: the tokens that each step is trained with.
  ///   - tokensPerSecond: the speed; 0 if it is not known yet.
  package init(
    step: Int, steps: Int, loss: Double, tokensPerStep: Int, tokensPerSecond: Double
  ) {
    self.init(
      label: Self.label("Step", step, of: steps),
      fraction: steps > 0 ? min(max(Double(step) / Double(steps), 0), 1) : 0, loss: loss,
      accuracy: nil, speed: tokensPerSecond, unit: "tokens",
      unitsLeft: Double(max(steps - step, 0)) * Double(tokensPerStep))
  }

  private init(
    label: String, fraction: Double, loss: Double, accuracy: Double?, speed: Double, unit: String,
    unitsLeft: Double
  ) {
    (self.label, self.fraction, self.loss) = (label, fraction, loss)
    (self.accuracy, self.speed, self.unit) = (accuracy, speed, unit)
    secondsLeft = speed > 0 && speed.isFinite ? unitsLeft / speed : nil
  }

  /// "Epoch  3/10": padded, so that the lines of all epochs align.
  static func label(_ name: String, _ number: Int, of count: Int) -> String {
    "\(name) " + NumberText.padded(String(number), to: String(count).count) + "/\(count)"
  }
}
