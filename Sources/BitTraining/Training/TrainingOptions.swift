import BitNN

/// What a training run depends on besides the model and the data.
public struct TrainingOptions: Sendable, Equatable {
  /// Passes over the training set.
  public var epochs: Int
  /// Samples per step.
  public var batchSize: Int
  /// Determines the order of samples and all other random choices.
  public var seed: UInt64
  /// The learning rate over all steps.
  public var learningRate: LearningRateSchedule
  /// The weight decay over all steps.
  public var weightDecay: WeightDecaySchedule
  /// The maximum norm of gradients, to which longer ones are scaled down; nil for none.
  public var clipNorm: Float?
  /// How quantization begins.
  public var quantizationWarmup: QuantizationWarmup

  /// Options with the values of the main example.
  public init(
    epochs: Int = 10, batchSize: Int = 128, seed: UInt64 = 0,
    learningRate: LearningRateSchedule = LearningRateSchedule(peak: 1e-3, course: .cosine()),
    weightDecay: WeightDecaySchedule = WeightDecaySchedule(0.01), clipNorm: Float? = nil,
    quantizationWarmup: QuantizationWarmup = QuantizationWarmup()
  ) {
    precondition(epochs >= 0 && batchSize > 0, "epochs and batch size must be positive")
    self.epochs = epochs
    self.batchSize = batchSize
    self.seed = seed
    self.learningRate = learningRate
    self.weightDecay = weightDecay
    self.clipNorm = clipNorm
    self.quantizationWarmup = quantizationWarmup
  }

  /// Every option as text. A run goes on from a checkpoint only if all are equal: otherwise its
  /// result would not be that of an unbroken run.
  var fingerprint: [(name: String, value: String)] {
    [
      ("epochs", "\(epochs)"), ("batch size", "\(batchSize)"), ("seed", "\(seed)"),
      ("learning rate", learningRate.description), ("weight decay", weightDecay.description),
      ("gradient clipping", clipNorm.map { "\($0)" } ?? "none"),
      ("quantization warm-up", "\(quantizationWarmup.steps)"),
    ]
  }
}
