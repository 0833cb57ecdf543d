import BitCore
import BitFiles
import BitNN
import Foundation
import TestSupport
import Testing

@testable import BitTraining

/// That training learns, measures what it says, and ends when it should.
@Suite struct DecoderLearningTests {
  private func windows() throws -> TokenWindows {
    try TinyDecoders.windows(TinyDecoders.tokens(TinyDecoders.documents()))
  }

  /// A text of a few windows is learned by heart, but for what comes after the first letters of a
  /// window, before which nothing is known.
  @Test(arguments: [true, false])
  func aTinyTextIsLearnedByHeart(isTernary: Bool) throws {
    let text = try TinyDecoders.tokens(["one two three four five six seven eight nine ten"])
    var options = TinyDecoders.options(steps: 100)
    options.batchSize = 3
    options.learningRate = LearningRateSchedule(peak: 2e-2, course: .cosine(), warmupSteps: 5)
    options.weightDecay = WeightDecaySchedule(0)
    (options.evaluationInterval, options.reportInterval) = (0, 100)
    var trainer = try DecoderTrainer(
      TinyDecoders.model(isTernary ? .b158WithoutNorm : nil, hidden: 32),
      training: TinyDecoders.windows(text),
      validation: ValidationWindows(text, length: TinyDecoders.length), options: options)
    try trainer.run()
    let losses = trainer.history.validations.map(\.loss)
    try #require(losses.count == 2)
    #expect(losses[0] > 5 && losses[1] < 0.4, "\(losses)")
  }

  @Test func evaluationIsTheSumOfTheLogits() throws {
    let model = TinyDecoders.model(isBitNet: true)
    let windows = try TinyDecoders.validation()
    var (sum, tokens) = (0.0, 0)
    for window in windows {
      let logits = model(window.inputs, positions: window.inputs.count).scalars
      for (row, label) in window.labels.enumerated() where label >= 0 {
        let line = logits[row * TinyDecoders.vocabulary..<(row + 1) * TinyDecoders.vocabulary]
        let values = line.map { Double($0) }
        let all = values.map { exp($0 - (values.max() ?? 0)) }.reduce(0, +)
        sum += log(all) + (values.max() ?? 0) - values[Int(label)]
        tokens += 1
      }
    }
    let result = try DecoderEvaluation.measure(model, on: windows)
    #expect(tokens == windows.dataset.count - 1 && result.size.tokens == tokens)
    #expect(abs(result.negativeLogLikelihood - sum) < 1e-5 * sum)
    #expect(abs(result.loss - sum / Double(tokens)) < 1e-4)
    #expect(abs(result.perplexity - exp(sum / Double(tokens))) < 1e-3 * result.perplexity)
    // A byte is a character here, but for the two tokens that end documents; the first byte is
    // nobody's label.
    let characters = tokens + 1 - 2 - 1
    #expect(result.size.characters == characters)
    #expect(
      abs(result.bitsPerCharacter - sum / log(2) / Double(characters))
        < 1e-5 * result.bitsPerCharacter)
  }

  @Test(arguments: [false, true])
  func packedModelsHaveTheSameBits(isBitNet: Bool) throws {
    var trainer = try DecoderTrainer(
      TinyDecoders.model(isBitNet: isBitNet), training: windows(),
      options: TinyDecoders.options(steps: 3))
    try trainer.run()
    let windows = try TinyDecoders.validation()
    let latent = try DecoderEvaluation.measure(trainer.model, on: windows)
    let packed = trainer.model.packed()
    #expect(packed.layers[0].feedForward.downProjection.bitLinear?.isPacked == true)
    #expect(try DecoderEvaluation.measure(packed, on: windows) == latent)
  }

  @Test func quantizationGrowsToItsFullStrength() throws {
    var options = TinyDecoders.options(steps: 4)
    options.quantizationWarmup = QuantizationWarmup(steps: 8)
    var trainer = try DecoderTrainer(TinyDecoders.model(), training: windows(), options: options)
    try trainer.run()
    let windows = try TinyDecoders.validation()
    let now = try DecoderEvaluation.measure(trainer.model, on: windows)
    let full = try DecoderEvaluation.measure(trainer.fullStrengthModel, on: windows)
    let packed = try DecoderEvaluation.measure(trainer.model.packed(), on: windows)
    // The codes that are packed are those of full strength, which training has not yet come to.
    #expect(full == packed && now != full)
  }

  /// Distilling a model from itself: the teacher says what the model says, so there is nothing to
  /// learn.
  /// Otherwise the loss would seem to rise with the strength of quantization.
  @Test func validationsAreOfTheModelThatWillBePacked() throws {
    var options = TinyDecoders.options(steps: 2)
    options.quantizationWarmup = QuantizationWarmup(steps: 100)
    var trainer = try DecoderTrainer(
      TinyDecoders.model(), training: windows(), validation: TinyDecoders.validation(),
      options: options)
    try trainer.run()
    let packed = try DecoderEvaluation.measure(
      trainer.fullStrengthModel.packed(), on: TinyDecoders.validation())
    #expect(trainer.history.validations.last?.loss == packed.loss)
  }

  @Test func aTeacherThatIsTheModelTeachesNothing() throws {
    let model = TinyDecoders.model()
    var options = TinyDecoders.options(steps: 1)
    options.distillation = .init(share: 1, temperature: 2)
    (options.weightDecay, options.reportInterval) = (WeightDecaySchedule(0), 1)
    var trainer = try DecoderTrainer(
      model, training: windows(), options: options, teacher: model)
    try trainer.run()
    let point = try #require(trainer.history.points.first)
    #expect(abs(point.loss) < 1e-6 && point.gradientNorm < 1e-5, "\(point)")
  }

  /// A model that only listens to a teacher comes to say what the teacher says.
  @Test func aTeacherIsImitated() throws {
    let teacher = TinyDecoders.model(nil, seed: 7)
    var options = TinyDecoders.options(steps: 30)
    options.distillation = .init(share: 1)
    options.reportInterval = 1
    var trainer = try DecoderTrainer(
      TinyDecoders.model(), training: windows(), options: options, teacher: teacher)
    try trainer.run()
    let losses = trainer.history.points.map(\.loss)
    #expect(losses.last ?? 1 < (losses.first ?? 0) * 0.8, "\(losses)")
  }

  @Test func trainingStopsWhenNothingIsLearned() throws {
    // Without any rate the validation loss stays what it is.
    var options = TinyDecoders.options(steps: 20)
    options.learningRate = LearningRateSchedule(peak: 1e-30, course: .constant)
    options.weightDecay = WeightDecaySchedule(0)
    options.patience = 3
    let folder = try TemporaryFolder()
    let start = try DecoderTrainer(
      TinyDecoders.model(), training: windows(), validation: TinyDecoders.validation(),
      options: options, checkpointPath: "\(folder.path)/checkpoint")
    var first = start
    #expect(try first.run() == .stoppedEarly)
    #expect(first.history.validations.map(\.step) == [0, 2, 4, 6])
    // A run that has stopped stays so.
    var again = start
    try again.resume()
    #expect(again.stepCount == 6)
    #expect(try again.run() == .stoppedEarly)
    #expect(again.history == first.history)
  }

  @Test func numbersOfTheHistoryAreThoseOfTheRun() throws {
    var options = TinyDecoders.options(steps: 5)
    options.accumulation = 2
    var trainer = try DecoderTrainer(
      TinyDecoders.model(), training: windows(), validation: TinyDecoders.validation(),
      options: options)
    let initial = trainer.model
    var saved = 0
    try trainer.run(didSave: { _ in saved += 1 })
    // There is no file to save to.
    #expect(saved == 0)
    let history = trainer.history
    #expect(history.points.map(\.step) == [2, 4, 5])
    #expect(history.points.map(\.tokens) == [2, 4, 5].map { $0 * 2 * 2 * TinyDecoders.length })
    for (point, step) in zip(history.points, [1, 3, 4]) {
      #expect(
        point.learningRate == Double(options.learningRate.rate(step: step, totalSteps: 5)))
    }
    #expect(history.points.map(\.seconds) == history.points.map(\.seconds).sorted())
    // The first validation is that of the model as it was given.
    let evaluation = try DecoderEvaluation.measure(initial, on: TinyDecoders.validation())
    #expect(history.validations.first?.loss == evaluation.loss)
    #expect(history.validations.first?.bitsPerCharacter == evaluation.bitsPerCharacter)
    #expect(history.validations.map(\.step) == [0, 2, 4, 5])
    let lines = history.jsonLines.split(separator: "\n")
    #expect(lines.count == 7)
    #expect(lines[0].contains("validation_loss") && lines[1].contains("train_loss"))
  }

  @Test func historiesSurviveJSON() throws {
    var history = DecoderTrainingHistory()
    history.points = [
      .init(
        step: 3, loss: 1.0 / 3, learningRate: 1e-7, gradientNorm: 1e30, flips: 0, tokens: 1 << 40,
        seconds: 0.1)
    ]
    history.validations = [.init(step: 0, loss: 5.5, bitsPerCharacter: 8)]
    history.samples = [.init(step: 0, text: "a \"b\"\n\u{1F600}\u{0}"), .init(step: 3, text: "")]
    #expect(DecoderTrainingHistory(json: history.json) == history)
    #expect(DecoderTrainingHistory(json: DecoderTrainingHistory().json) == .init())
    for bad in [
      #"{}"#, #"{"points":[],"validations":[],"samples":[{"step":1}]}"#,
      #"{"points":[{"step":1}],"validations":[],"samples":[]}"#,
      #"{"points":[],"validations":[{"step":-1,"validation_loss":1,"bits_per_character":1}],"samples":[]}"#,
    ] {
      #expect(DecoderTrainingHistory(json: try JSONValue(parsing: bad, source: "bad")) == nil)
    }
  }
}
