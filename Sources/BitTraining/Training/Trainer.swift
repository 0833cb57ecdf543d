import BitCore
import BitNN
import _Differentiation

/// Trains a classifier of labelled samples: batches in random order, optimizer, schedules,
/// evaluation, checkpoints.
///
/// For other tasks - other targets than classes, other data than ``LabeledDataset`` - write the
/// loop by hand: `valueWithGradient(at:of:)` and `Optimizer.update(_:along:clipNorm:)`.
///
/// ```swift
/// var trainer = Trainer(model, optimizer: AdamW(), data: try FashionMNIST.load())
/// try trainer.run()
/// let packed = trainer.model.packed()
/// ```
///
/// Everything random follows from ``TrainingOptions/seed``. With a checkpoint, a run that was
/// stopped at any moment goes on to exactly the model of an unbroken run.
public struct Trainer<Model: Layer> {
  /// Why ``run(display:checkpointInterval:didEndEpoch:shouldStop:)`` returned.
  public enum Outcome: Sendable {
    /// All epochs are done.
    case finished
    /// It was asked to stop, and saved a checkpoint if it has one.
    case interrupted
  }

  /// Gives the loss of logits `[batch, classes]` and its gradient.
  public typealias Loss = (Tensor, [Int32]) -> (loss: Float, gradient: Tensor)

  /// The model in its present state.
  public private(set) var model: Model
  /// What was measured so far.
  public private(set) var history = TrainingHistory()
  /// The training set and the test set.
  public let data: TrainTestData
  /// How values become inputs of the model; mean and deviation are those of the training set.
  public let standardization: Standardization
  /// What the run depends on.
  public let options: TrainingOptions

  private var optimizer: any Optimizer
  private var position: TrainingPosition
  /// Whether a gradient has shown that the model's `visitChildren` is right.
  private var isChecked = false
  private let loss: Loss
  private let checkpoint: Checkpoint?
  /// What the data are, as text that differs for other samples or labels.
  private let dataConditions: [(name: String, value: String)]

  // Initial weights often come from the seed itself, stream 0.
  private static var orderStream: UInt64 { 1 }
  private static var firstStepStream: UInt64 { 2 }

  /// Steps per point of the loss history.
  private static var historyInterval: Int { 25 }

  /// A training run from its start.
  ///
  /// - Parameters:
  ///   - model: the model with its initial parameters.
  ///   - optimizer: the rule of updates; the schedules of `options` set its rate and decay.
  ///   - data: the samples.
  ///   - options: everything else that the result depends on.
  ///   - checkpointPath: a file that is written at the end of each epoch, on an interrupt, and
  ///     that ``resume()`` reads; nil for none.
  ///   - architecture: what the model is, to refuse the checkpoint of another one.
  ///   - metadata: more strings for the checkpoint file.
  ///   - loss: softmax cross entropy, or a loss of your own.
  public init(
    _ model: Model, optimizer: any Optimizer = AdamW(), data: TrainTestData,
    options: TrainingOptions = TrainingOptions(), checkpointPath: String? = nil,
    architecture: String = String(describing: Model.self), metadata: [String: String] = [:],
    loss: @escaping Loss = { Losses.softmaxCrossEntropy($0, labels: $1) }
  ) {
    self.model = model
    self.optimizer = optimizer
    self.data = data
    self.options = options
    self.loss = loss
    standardization = data.train.standardization()
    position = TrainingPosition(
      generator: SeededGenerator(seed: options.seed, stream: Self.orderStream))
    checkpoint = checkpointPath.map {
      Checkpoint(path: $0, architecture: architecture, metadata: metadata)
    }
    dataConditions =
      checkpoint == nil
      ? []
      : [("training data", data.train), ("test data", data.test)].map { name, set in
        (name, "\(set.count) samples of \(set.featureCount) features, checksum \(set.checksum)")
      }
  }

  /// The steps of one epoch; the last batch may be smaller.
  public var stepsPerEpoch: Int {
    (data.train.count + options.batchSize - 1) / options.batchSize
  }

  /// How far the training is, in words: "step 938, 2 of 10 epochs".
  public var progressSummary: String {
    "step \(position.step), \(position.epoch) of \(options.epochs) epochs"
  }

  /// Goes back to where the checkpoint was written.
  ///
  /// - Throws: `InputError` if there is no checkpoint or it is not of this model, with the same
  ///   parameters frozen, these data and these options.
  public mutating func resume() throws(InputError) {
    guard let checkpoint else {
      preconditionFailure("a trainer without a checkpoint path cannot resume")
    }
    var resumed = self
    (resumed.position, resumed.history) = try checkpoint.restore(
      &resumed.model, optimizer: &resumed.optimizer, conditions: conditions
    ) { progress in
      guard let history = TrainingHistory(json: progress.history) else { return nil }
      return TrainingPosition.fields.value(
        progress.position, in: TrainingPosition(generator: progress.generator)
      ).map { ($0, history) }
    }
    let position = resumed.position
    guard position.epoch <= options.epochs, position.batch <= stepsPerEpoch,
      position.step == position.epoch * stepsPerEpoch + position.batch,
      position.step <= totalSteps, position.samples <= data.train.count,
      position.correct <= position.samples
    else {
      throw InputError(
        .mismatch, source: checkpoint.path,
        found: "step \(position.step) in epoch \(position.epoch), batch \(position.batch)",
        expected: "a training of \(options.epochs) epochs of \(stepsPerEpoch) batches")
    }
    // An epoch that was complete is evaluated as its last step left the model.
    if position.step > 0 { resumed.applySchedules(at: position.step - 1) }
    self = resumed
  }

  private var totalSteps: Int { options.epochs * stepsPerEpoch }

  /// All that the result depends on, as text.
  private var conditions: [(name: String, value: String)] {
    let frozen = model.frozenNames
    return options.fingerprint + dataConditions + [
      ("optimizer", optimizer.settings),
      ("frozen parameters", frozen.isEmpty ? "none" : frozen.joined(separator: " ")),
    ] + model.quantizationSummary.map { ("layer \($0.name)", $0.value) }
  }

  /// Trains to the end of the last epoch.
  ///
  /// - Parameters:
  ///   - display: shows the progress; nil for none.
  ///   - didEndEpoch: called after each epoch, when its checkpoint is on disk.
  ///   - checkpointInterval: steps after which a checkpoint is written within an epoch, 0 for
  ///     never; the result does not depend on it.
  ///   - shouldStop: asked after each step.
  /// - Throws: `InputError` if the loss is no longer finite, naming the step and the layer in
  ///   which that first shows, or if a checkpoint cannot be written. A checkpoint is never
  ///   replaced by one with parameters that are not finite.
  @discardableResult
  public mutating func run(
    display: ProgressDisplay? = nil, checkpointInterval: Int = 0,
    didEndEpoch: (TrainingHistory) throws -> Void = { _ in },
    shouldStop: () -> Bool = { false }
  ) throws -> Outcome {
    try model.checkChildren()
    var display = display
    defer { display?.finish() }
    while position.epoch < options.epochs {
      var generator = position.generator
      let order = generator.permutation(data.train.count)
      while position.batch < stepsPerEpoch {
        let start = position.batch * options.batchSize
        try trainBatch(order[start..<min(start + options.batchSize, order.count)])
        display?.update(progress)
        if shouldStop() {
          // An epoch that is complete must still be evaluated; it resumes there.
          try saveCheckpoint()
          return .interrupted
        }
        if checkpointInterval > 0, position.step % checkpointInterval == 0 {
          try saveCheckpoint()
        }
      }
      try endEpoch(next: generator)
      try saveCheckpoint()
      if let last = history.epochs.last {
        display?.endEpoch(last, of: options.epochs)
      }
      try didEndEpoch(history)
    }
    return .finished
  }

  /// Runs a classifier over the test set, with the batch size of the training.
  public func evaluate(_ model: (Tensor) -> Tensor) -> Evaluation {
    Evaluation.measure(
      on: data.test, standardization: standardization, batchSize: options.batchSize, model: model)
  }

  private mutating func trainBatch(_ indices: ArraySlice<Int>) throws(InputError) {
    let clock = ContinuousClock()
    let begin = clock.now
    let inputs = data.train.inputs(indices, standardization: standardization)
    let labels = data.train.labels(indices)
    applySchedules(at: position.step)
    // Random layers draw from numbers of this step alone, so that resuming needs no more state.
    let randomness = SeededGenerator(
      seed: options.seed, stream: Self.firstStepStream + UInt64(position.step))
    let result = Randomness.withRandomness(randomness) { gradient(inputs, labels) }
    guard result.loss.isFinite else {
      let origin =
        Randomness.withRandomness(randomness) { NonFiniteLocator.locate(in: model, inputs: inputs) }
        ?? "the loss"
      throw InputError.notFinite(
        inTraining:
          "a loss of \(result.loss.textOfNotFinite) at step \(position.step + 1), first in \(origin)"
      )
    }
    if !isChecked {
      try model.checkChildren(gradient: result.gradient)
      isChecked = true
    }
    optimizer.update(&model, along: result.gradient, clipNorm: options.clipNorm)
    position.add(
      loss: Double(result.loss), correct: result.correct, samples: indices.count,
      seconds: (clock.now - begin).seconds)
    if position.recentSteps == Self.historyInterval {
      history.losses.append(
        TrainingHistory.LossPoint(
          epoch: Double(position.step) / Double(stepsPerEpoch),
          loss: position.recentLoss / Double(position.recentSteps)))
      position.recentLoss = 0
      position.recentSteps = 0
    }
  }

  private func gradient(
    _ inputs: Tensor, _ labels: [Int32]
  ) -> (loss: Float, correct: Int, gradient: Model.TangentVector) {
    let (logits, pullback) = valueWithPullback(at: model) { $0(inputs) }
    let (loss, upstream) = loss(logits, labels)
    let correct = zip(Losses.predictions(logits), labels).count { $0 == $1 }
    return (loss, correct, pullback(upstream))
  }

  private mutating func applySchedules(at step: Int) {
    if options.quantizationWarmup.steps > 0 {
      model.setQuantizationStrength(options.quantizationWarmup.strength(step: step))
    }
    optimizer.learningRate = options.learningRate.rate(step: step, totalSteps: totalSteps)
    optimizer.weightDecay = options.weightDecay.strength(step: step, totalSteps: totalSteps)
  }

  private mutating func endEpoch(next generator: SeededGenerator) throws(InputError) {
    // After the last step of an epoch only the test set shows whether outputs are still finite.
    var origin: String?
    let test = evaluate { inputs in
      let logits = model(inputs)
      if origin == nil, !logits.isFinite {
        origin = NonFiniteLocator.locate(in: model, inputs: inputs)
      }
      return logits
    }
    guard test.loss.isFinite else {
      throw InputError.notFinite(
        inTraining:
          "a test loss of \(test.loss.textOfNotFinite) after step \(position.step), first in "
          + (origin ?? "the loss"))
    }
    history.epochs.append(
      TrainingHistory.Epoch(
        epoch: position.epoch + 1, step: position.step,
        trainLoss: position.loss, trainAccuracy: position.accuracy,
        testLoss: test.loss, testAccuracy: test.accuracy,
        learningRate: Double(optimizer.learningRate), seconds: position.seconds))
    position = position.nextEpoch(generator)
  }

  private func saveCheckpoint() throws(InputError) {
    guard let checkpoint else { return }
    if let bad = model.parameters().first(where: { !$0.value.isFinite }) {
      throw InputError.notFinite(
        inTraining: "NaN or infinity in \(bad.name) after step \(position.step)")
    }
    let progress = CheckpointProgress(
      generator: position.generator, position: TrainingPosition.fields.object(position),
      history: history.json)
    try checkpoint.save(
      model, optimizer: optimizer, progress: progress, conditions: conditions)
  }

  private var progress: ProgressState {
    ProgressState(
      epoch: position.epoch + 1, epochs: options.epochs, sample: position.samples,
      samples: data.train.count, loss: position.loss, accuracy: position.accuracy,
      samplesPerSecond: position.seconds > 0 ? Double(position.samples) / position.seconds : 0)
  }
}
