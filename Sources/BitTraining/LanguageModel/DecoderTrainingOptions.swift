import BitNN

/// What the training of a language model depends on besides the model and the texts.
public struct DecoderTrainingOptions: Sendable, Equatable {
  /// How much a teacher has to say.
  public struct Distillation: Sendable, Equatable {
    /// The share of its logits in the loss, above 0 and at most 1; the rest is that of the texts.
    public var share: Float
    /// What logits are divided by before they become probabilities.
    public var temperature: Float

    /// The given share and temperature.
    public init(share: Float = 0.5, temperature: Float = 1) {
      precondition(
        share > 0 && share <= 1 && temperature > 0,
        "a teacher of share \(share), which is to be in 0...1 and above 0, at temperature \(temperature)"
      )
      (self.share, self.temperature) = (share, temperature)
    }
  }

  /// Updates of the weights.
  public var steps: Int
  /// Windows whose gradient is computed at once.
  public var batchSize: Int
  /// Batches whose gradients are added up for one update. Several processes share them.
  public var accumulation: Int
  /// Determines the order and the places of the windows.
  public var seed: UInt64
  /// The learning rate over all steps.
  public var learningRate: LearningRateSchedule
  /// The weight decay over all steps.
  public var weightDecay: WeightDecaySchedule
  /// The maximum norm of gradients, to which longer ones are scaled down; nil for none.
  public var clipNorm: Float?
  /// How quantization begins.
  public var quantizationWarmup: QuantizationWarmup
  /// How much the teacher has to say, if there is one.
  public var distillation: Distillation?
  /// Steps between two validations, and between two samples of text; 0 for the end alone.
  public var evaluationInterval: Int
  /// Validations without a better loss after which training ends early, with the last weights; nil for
  /// never.
  public var patience: Int?
  /// Steps between two points of the history; the last step has one in any case.
  public var reportInterval: Int

  /// Options with the values of b1.58 for a small model: the rate in two stages, and weight decay in
  /// the first half alone.
  public init(
    steps: Int = 1000, batchSize: Int = 8, accumulation: Int = 1, seed: UInt64 = 0,
    learningRate: LearningRateSchedule = LearningRateSchedule(
      peak: 1.5e-3, course: .twoStage(), warmupSteps: 50),
    weightDecay: WeightDecaySchedule = WeightDecaySchedule(0.1, end: 0.5), clipNorm: Float? = 1,
    quantizationWarmup: QuantizationWarmup = QuantizationWarmup(),
    distillation: Distillation? = nil, evaluationInterval: Int = 200, patience: Int? = nil,
    reportInterval: Int = 10
  ) {
    precondition(
      steps >= 0 && batchSize > 0 && accumulation > 0 && reportInterval > 0
        && evaluationInterval >= 0 && (patience ?? 1) > 0,
      "numbers of steps, batches and validations must be positive")
    (self.steps, self.batchSize, self.accumulation) = (steps, batchSize, accumulation)
    (self.seed, self.learningRate, self.weightDecay) = (seed, learningRate, weightDecay)
    (self.clipNorm, self.quantizationWarmup) = (clipNorm, quantizationWarmup)
    (self.distillation, self.patience) = (distillation, patience)
    (self.evaluationInterval, self.reportInterval) = (evaluationInterval, reportInterval)
  }

  /// Every option as text. A run goes on from a checkpoint only if all are equal: otherwise its
  /// result would not be that of an unbroken run.
  var fingerprint: [(name: String, value: String)] {
    [
      ("steps", "\(steps)"), ("batch size", "\(batchSize)"),
      ("batches of a step", "\(accumulation)"), ("seed", "\(seed)"),
      ("learning rate", learningRate.description), ("weight decay", weightDecay.description),
      ("gradient clipping", clipNorm.map { "\($0)" } ?? "none"),
      ("quantization warm-up", "\(quantizationWarmup.steps)"),
      ("distillation", distillation.map { "\($0.share) at \($0.temperature)" } ?? "none"),
      ("steps between validations", "\(evaluationInterval)"),
      ("patience", patience.map { "\($0)" } ?? "none"),
      ("steps between reports", "\(reportInterval)"),
    ]
  }
}
