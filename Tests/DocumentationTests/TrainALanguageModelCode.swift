import BitFormats
import BitNN
import BitTokenizers
import BitTraining
import Foundation
import Testing

/// The code of the article about training language models.
@Suite struct TrainALanguageModelCode {
  @Test func trainsAndTunes() throws {
    try withTemporaryFolder { temporary in
      let (texts, folder) = (temporary + "/texts.txt", temporary + "/model")
      let text = (0..<200).map { "The \($0 % 7) sheep of \($0 % 5) hills." }.joined(separator: "\n")
      try text.write(toFile: texts, atomically: true, encoding: .utf8)
      // TrainALanguageModel.md, block 1
      let tokenizer = try Tokenizer(.bytes)
      let data = try TextData(
        paths: [texts], validationShare: 0.1, seed: 0, tokenizer: tokenizer, length: 32)

      var generator = SeededGenerator(seed: 0)
      let model = DecoderModel(
        .bitnet(vocabulary: tokenizer.vocabularySize, hidden: 64, layers: 2, context: 32),
        recipe: .b158WithoutNorm, using: &generator)

      var options = DecoderTrainingOptions(steps: 20, batchSize: 4)
      options.learningRate = LearningRateSchedule(peak: 3e-3, course: .twoStage(), warmupSteps: 5)
      var trainer = try DecoderTrainer(
        model, training: TokenWindows(data.training, length: 32, seed: 0),
        validation: data.validation.map { try ValidationWindows($0, length: 32) }, options: options)
      try trainer.run()
      print(trainer.history.validations.map(\.bitsPerCharacter))  // falls
      try trainer.model.save(toFolder: folder, tokenizer: .bytes)
      // End of block 1
      let validations = trainer.history.validations
      #expect(try #require(validations.last).loss < (try #require(validations.first)).loss - 0.5)
      let floatFolder = temporary + "/float"
      try DecoderModel(
        .llama(vocabulary: tokenizer.vocabularySize, hidden: 64, layers: 1, context: 32),
        using: &generator
      ).save(toFolder: floatFolder)
      // TrainALanguageModel.md, block 2
      let float = try DecoderModel(ModelFile(path: floatFolder), projections: .float)
      options.distillation = DecoderTrainingOptions.Distillation(share: 0.5)
      options.quantizationWarmup = QuantizationWarmup(steps: 10)
      var tuning = try DecoderTrainer(
        float.bitLinear(.b158WithoutNorm),
        training: TokenWindows(data.training, length: 32, seed: 0),
        options: options, teacher: float)
      try tuning.run()
      // End of block 2
      #expect(tuning.stepCount == 20 && tuning.model.recipe == .b158WithoutNorm)
    }
  }
}
