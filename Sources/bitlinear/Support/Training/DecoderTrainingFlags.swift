import ArgumentParser
import BitNN
import BitTraining

/// The options that say how a language model is trained, named as those of mlx_lm where it has them.
struct DecoderTrainingFlags: ParsableArguments {
  /// The courses of the learning rate.
  enum Schedule: String, CaseIterable, ExpressibleByArgument {
    case twoStage = "two-stage"
    case cosine
    case constant

    var course: LearningRateSchedule.Course {
      switch self {
      case .twoStage: .twoStage()
      case .cosine: .cosine(final: 0.1)
      case .constant: .constant
      }
    }
  }

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Updates of the weights, 0 to 100000000.", valueName: "n"))
  var iters = 1000

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Windows whose gradient is computed at once, 1 to 65536.", valueName: "n"))
  var batchSize = 8

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      """
      Batches whose gradients are added up for one update, 1 to 65536. Several processes (mpirun) \
      share them.
      """, valueName: "n"))
  var gradAccumulationSteps = 1

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Peak learning rate. (default: 0.0015 from scratch, 0.0002 to fine-tune)", valueName: "rate"))
  var learningRate: Float?

  @Option(
    help: """
      Course of the rate after the warm-up: two-stage (that of b1.58, with weight decay in the first \
      half alone), cosine (to a tenth) or constant.
      """)
  var lrSchedule = Schedule.twoStage

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Updates over which the rate rises to its peak. (default: a twentieth of all)",
      valueName: "n"))
  var warmup: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Weight decay of matrices.", valueName: "strength"))
  var weightDecay: Float = 0.1

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Norm that longer gradients are scaled down to; 0 for none.", valueName: "norm"))
  var clipNorm: Float = 1

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Updates over which quantization grows from none to full.", valueName: "n"))
  var quantizationWarmup = 0

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Updates between two points of the curves.", valueName: "n"))
  var stepsPerReport = 10

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Updates between two validations and sample texts; 0 for the end alone.", valueName: "n"))
  var stepsPerEval = 200

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Batches of windows to validate with, the first ones; -1 for all.", valueName: "n"))
  var valBatches = -1

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Validations without a better loss that end the training early, with the last weights.",
      valueName: "n"))
  var patience: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Updates between two checkpoints; 0 for the end alone.", valueName: "n"))
  var saveEvery = 100

  @Flag(help: "Compute activations twice instead of keeping them: less memory, a third more time.")
  var gradCheckpoint = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Seed of initial weights and of the order of texts.", valueName: "n"))
  var seed: UInt64 = 0

  func validate() throws {
    try require("--iters", [iters], in: 0...100_000_000)
    try require("--batch-size", [batchSize], in: 1...65_536)
    try require("--grad-accumulation-steps", [gradAccumulationSteps], in: 1...65_536)
    try require("--warmup", warmup.map { [$0] } ?? [], in: 0...100_000_000)
    try require("--quantization-warmup", [quantizationWarmup], in: 0...100_000_000)
    try require("--steps-per-report", [stepsPerReport], in: 1...Int.max)
    try require("--steps-per-eval", [stepsPerEval], in: 0...Int.max)
    guard valBatches == -1 || (1...1 << 30).contains(valBatches) else {
      throw ValidationError(
        "The value '\(valBatches)' is invalid for '--val-batches'. "
          + "Please provide -1 or a number of at least 1.")
    }
    try require("--patience", patience.map { [$0] } ?? [], in: 1...Int.max)
    try require("--save-every", [saveEvery], in: 0...Int.max)
    try requirePositive("--learning-rate", learningRate ?? 1)
    for (name, value) in [("--weight-decay", weightDecay), ("--clip-norm", clipNorm)]
    where !(value >= 0 && value.isFinite) {
      throw ValidationError(
        "The value '\(value)' is invalid for '\(name)'. Please provide 0 or a positive number.")
    }
  }

  /// The most windows to validate with; nil for all.
  var validationLimit: Int? { valBatches < 0 ? nil : valBatches * batchSize }

  /// The options of a training.
  ///
  /// - Parameters:
  ///   - defaultRate: the peak rate if none was given.
  ///   - distillation: how much a teacher has to say.
  func options(
    defaultRate: Float, distillation: DecoderTrainingOptions.Distillation? = nil
  ) -> DecoderTrainingOptions {
    DecoderTrainingOptions(
      steps: iters, batchSize: batchSize, accumulation: gradAccumulationSteps, seed: seed,
      learningRate: LearningRateSchedule(
        peak: learningRate ?? defaultRate, course: lrSchedule.course,
        warmupSteps: warmup ?? iters / 20),
      weightDecay: WeightDecaySchedule(weightDecay, end: lrSchedule == .twoStage ? 0.5 : 1),
      clipNorm: clipNorm > 0 ? clipNorm : nil,
      quantizationWarmup: QuantizationWarmup(steps: quantizationWarmup),
      distillation: distillation, evaluationInterval: stepsPerEval, patience: patience,
      reportInterval: stepsPerReport)
  }
}
