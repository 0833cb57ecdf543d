import BitCore
import BitFiles
import BitNN
import _Differentiation

/// Trains a language model: windows of tokens, AdamW, schedules, distillation, validation,
/// checkpoints, in one process or several.
///
/// ```swift
/// var trainer = try DecoderTrainer(
///   model, training: TokenWindows(tokens, length: 256, seed: 0), options: options)
/// try trainer.run()
/// try trainer.model.save(toFolder: "my-model")
/// ```
///
/// The result depends on the model, the texts and the options alone: not on the number of processes
/// or threads, not on whether activations are recomputed, and not on interruptions, after which
/// ``resume()`` goes on to exactly the model of an unbroken run. (With another BLAS, or other kernels
/// of it, float products round differently.)
public struct DecoderTrainer {
  /// Why ``run(checkpointInterval:didStep:didValidate:didSave:shouldStop:)`` returned.
  public enum Outcome: Sendable {
    /// All steps are done.
    case finished
    /// The validation loss did not fall any more.
    case stoppedEarly
    /// It was asked to stop, and saved a checkpoint if it has one.
    case interrupted
  }

  /// The model in its present state.
  public private(set) var model: DecoderModel
  /// What was measured so far.
  public private(set) var history = DecoderTrainingHistory()
  /// The texts to train with.
  public let training: TokenWindows
  /// The texts to validate with, if there are any.
  public let validation: ValidationWindows?
  /// What the run depends on.
  public let options: DecoderTrainingOptions
  /// The processes that train together.
  public let group: ProcessGroup

  let teacher: DecoderModel?
  private(set) var optimizer: any Optimizer
  private(set) var position = DecoderTrainingPosition()
  private var isChecked = false
  private let checkpoint: Checkpoint?
  let dataConditions: [(name: String, value: String)]

  /// A training run from its start.
  ///
  /// - Parameters:
  ///   - model: the model with its initial weights.
  ///   - optimizer: the rule of updates; the schedules of `options` set its rate and decay.
  ///   - training: the texts to train with; their seed is that of `options`.
  ///   - validation: the texts to validate with, if there are any.
  ///   - options: everything else that the result depends on.
  ///   - teacher: a model whose logits are imitated, of the same vocabulary, if
  ///     ``DecoderTrainingOptions/distillation`` says so.
  ///   - group: the processes that train together; each calls the same.
  ///   - checkpointPath: the file that ``resume()`` reads; nil for none.
  ///   - metadata: more strings for the checkpoint file.
  /// - Throws: `InputError` if a token of the texts is none of the model, if the model lacks a teacher
  ///   or has one of another vocabulary, if the processes cannot share the batches of a step, or if
  ///   they do not have the same model, texts and options.
  public init(
    _ model: DecoderModel,
    optimizer: any Optimizer = AdamW(beta2: 0.95, decaysVectors: false), training: TokenWindows,
    validation: ValidationWindows? = nil, options: DecoderTrainingOptions,
    teacher: DecoderModel? = nil, group: ProcessGroup = .alone, checkpointPath: String? = nil,
    metadata: [String: String] = [:]
  ) throws(InputError) {
    self.model = model
    self.optimizer = optimizer
    (self.training, self.validation) = (training, validation)
    self.options = options
    self.teacher = options.distillation == nil ? nil : teacher
    self.group = group
    checkpoint = checkpointPath.map {
      Checkpoint(path: $0, architecture: Self.architecture, metadata: metadata)
    }
    dataConditions = Self.conditions(training, validation, teacher: self.teacher)
    try checkInputs(teacher)
    if group.count > 1 { try checkProcesses() }
  }

  /// Goes back to where the checkpoint was written.
  ///
  /// - Throws: `InputError` if there is no checkpoint or it is not of this model, these texts and
  ///   these options.
  public mutating func resume() throws(InputError) {
    guard let checkpoint else {
      preconditionFailure("a trainer without a checkpoint path cannot resume")
    }
    var resumed = self
    (resumed.position, resumed.history) = try checkpoint.restore(
      &resumed.model, optimizer: &resumed.optimizer, conditions: conditions
    ) { progress in
      guard let history = DecoderTrainingHistory(json: progress.history) else { return nil }
      return DecoderTrainingPosition.fields.value(
        progress.position, in: DecoderTrainingPosition()
      ).map { ($0, history) }
    }
    guard resumed.position.step <= options.steps else {
      throw InputError(
        .mismatch, source: checkpoint.path, found: "step \(resumed.position.step)",
        expected: "at most \(options.steps)")
    }
    if resumed.position.step > 0 { resumed.applySchedules(at: resumed.position.step - 1) }
    if group.count > 1 {
      try group.requireEqual("\(resumed.position.step)", "the step of the checkpoint")
      try group.requireEqual(Self.checksum(of: resumed.model), "the weights of the checkpoint")
    }
    self = resumed
  }

  /// Trains to the end of the last step.
  ///
  /// - Parameters:
  ///   - checkpointInterval: steps after which a checkpoint is written, 0 for the end alone; the result
  ///     does not depend on it.
  ///   - didStep: called after each step by all processes.
  ///   - didValidate: called before the first step, after each validation and at the end, by all
  ///     processes; what it returns becomes a sample of the history.
  ///   - didSave: called after each checkpoint, by the process that wrote it.
  ///   - shouldStop: asked after each step; the processes stop together if one says so.
  /// - Throws: `InputError` if a loss or a gradient is no longer finite, naming the step and the layer
  ///   in which that first shows, or if a checkpoint cannot be written; and what the closures throw. A
  ///   checkpoint is never replaced by one with weights that are not finite.
  @discardableResult
  public mutating func run(
    checkpointInterval: Int = 0, didStep: (DecoderTrainer) throws -> Void = { _ in },
    didValidate: (DecoderTrainer) throws -> String? = { _ in nil },
    didSave: (DecoderTrainer) throws -> Void = { _ in },
    shouldStop: () -> Bool = { false }
  ) throws -> Outcome {
    try model.checkChildren()
    if position.step == 0, history.validations.isEmpty { try validate(didValidate) }
    while position.step < options.steps {
      if hasStoppedEarly { return .stoppedEarly }
      try step()
      try didStep(self)
      let isLast = position.step == options.steps
      if isLast || isMultiple(of: options.evaluationInterval) { try validate(didValidate) }
      let stops = try group.agree(shouldStop())
      if stops || isLast || isMultiple(of: checkpointInterval) || hasStoppedEarly {
        if try saveCheckpoint() { try didSave(self) }
      }
      if stops, !isLast { return .interrupted }
    }
    return hasStoppedEarly && position.step < options.steps ? .stoppedEarly : .finished
  }

  private func isMultiple(of interval: Int) -> Bool {
    interval > 0 && position.step.isMultiple(of: interval)
  }

  private var hasStoppedEarly: Bool {
    options.patience.map { history.validationsSinceBest >= $0 } ?? false
  }

  private mutating func validate(
    _ didValidate: (DecoderTrainer) throws -> String?
  ) throws {
    if let validation {
      // As it will be packed, so that a warm-up of quantization does not look like a loss that rises.
      let result = try DecoderEvaluation.measure(fullStrengthModel, on: validation, group: group)
      guard result.loss.isFinite else {
        throw notFinite(
          "a validation loss of \(result.loss.textOfNotFinite)", origin(validation[0].inputs),
          isAfterStep: true)
      }
      history.validations.append(
        DecoderTrainingHistory.Validation(
          step: position.step, loss: result.loss, bitsPerCharacter: result.bitsPerCharacter))
    }
    if let text = try didValidate(self) {
      history.samples.append(DecoderTrainingHistory.Sample(step: position.step, text: text))
    }
  }

  /// Makes one update.
  private mutating func step() throws(InputError) {
    let clock = ContinuousClock()
    let begin = clock.now
    applySchedules(at: position.step)
    let result = try gradients()
    let loss = result.sums[0]
    let first = position.step * options.accumulation
    guard loss.isFinite else {
      throw notFinite(
        "a loss of \(loss.textOfNotFinite)",
        origin(training.batch(first, of: options.batchSize).inputs))
    }
    let norm = GradientClipping.norm(of: result.gradients)
    guard norm.isFinite else {
      let names = model.parameters().map(\.name)
      // Gradients are computed from the end of the model to its beginning.
      let bad = result.gradients.lastIndex { !$0.isFinite }.map { names[$0] } ?? "all together"
      throw notFinite("a gradient of norm \(norm.textOfNotFinite)", "the gradient of \(bad)")
    }
    let next = position.step + 1
    let reports = next.isMultiple(of: options.reportInterval) || next == options.steps
    // Looking at codes is no part of training, and its time not of a step's.
    let pause = clock.now
    let codes = reports ? CodeSnapshot(of: model) : nil
    let resumption = clock.now
    optimizer.update(&model, gradients: result.gradients, clipNorm: options.clipNorm)
    let time = (pause - begin) + (clock.now - resumption)
    position.add(loss: loss, tokens: tokensPerStep, seconds: time.seconds)
    if let codes {
      history.points.append(
        position.point(
          learningRate: Double(optimizer.learningRate), gradientNorm: Double(norm),
          flips: CodeSnapshot(of: model).flips(since: codes)))
    }
  }

  /// Steps taken.
  public var stepCount: Int { position.step }

  /// The model with its weights quantized as they will be when it is packed, whatever the warm-up of
  /// quantization has come to.
  public var fullStrengthModel: DecoderModel {
    var model = model
    model.setQuantizationStrength(.full)
    return model
  }

  /// What a terminal shows.
  package var progress: ProgressState {
    ProgressState(
      step: position.step, steps: options.steps,
      loss: position.recentSteps > 0
        ? position.recentLoss / Double(position.recentSteps) : history.points.last?.loss ?? 0,
      tokensPerStep: tokensPerStep,
      tokensPerSecond: position.seconds > 0 ? Double(position.tokens) / position.seconds : 0)
  }

  /// Tokens of a step.
  public var tokensPerStep: Int { options.accumulation * options.batchSize * training.length }

  /// The gradients and the loss of the next step, from all processes.
  private mutating func gradients() throws(InputError) -> PartResult {
    let parts = BatchParts(options.accumulation)
    let range = try parts.range(of: group)
    let batches = (0..<parts.count).map {
      training.batch(position.step * parts.count + $0, of: options.batchSize)
    }
    let labels = batches.reduce(0) { sum, batch in
      sum + batch.labels.count { $0 != TokenWindows.ignoredLabel }
    }
    var sum = PartSum(count: range.count)
    for part in range {
      let (inputs, targets) = batches[part]
      let teacher = teaching(inputs)
      let (loss, gradient) = valueWithGradient(at: model) { model in
        model.loss(
          inputs, labels: targets, positions: training.length, divisor: max(1, labels),
          teacher: teacher)
      }
      if !isChecked {
        try model.checkChildren(gradient: gradient)
        isChecked = true
      }
      sum.add(PartResult(gradients: model.gradients(gradient), sums: [Double(loss)]))
    }
    var total = sum.total
    try group.sum(&total)
    return total
  }

  private func teaching(_ inputs: [Int32]) -> OutputLossOperation.Teacher? {
    guard let teacher, let distillation = options.distillation else { return nil }
    return teacher.teacher(
      inputs, positions: training.length, share: distillation.share,
      temperature: distillation.temperature)
  }

  private mutating func applySchedules(at step: Int) {
    if options.quantizationWarmup.steps > 0 {
      model.setQuantizationStrength(options.quantizationWarmup.strength(step: step))
    }
    optimizer.learningRate = options.learningRate.rate(step: step, totalSteps: options.steps)
    optimizer.weightDecay = options.weightDecay.strength(step: step, totalSteps: options.steps)
  }

  /// Writes the checkpoint, if there is to be one and this process writes it; says whether it did.
  private func saveCheckpoint() throws(InputError) -> Bool {
    guard let checkpoint, group.isFirst else { return false }
    if let bad = model.parameters().first(where: { !$0.value.isFinite }) {
      throw notFinite("NaN or infinity", bad.name, isAfterStep: true)
    }
    let progress = CheckpointProgress(
      generator: SeededGenerator(seed: options.seed),
      position: DecoderTrainingPosition.fields.object(position), history: history.json)
    try checkpoint.save(model, optimizer: optimizer, progress: progress, conditions: conditions)
    return true
  }
}
