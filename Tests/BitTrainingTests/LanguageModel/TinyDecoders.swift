import BitCore
import BitFormats
import BitNN
import BitTokenizers
@testable import BitTraining

/// What the tests of language model training train: a text of some hundred bytes and models of some
/// thousand weights.
enum TinyDecoders {
  /// Documents of made-up sentences, the same ones for a seed.
  static func documents(_ count: Int = 6, seed: UInt64 = 1) -> [String] {
    let words = ["the", "cat", "sat", "on", "a", "mat", "and", "saw", "two", "dogs"]
    var generator = SeededGenerator(seed: seed)
    return (0..<count).map { _ in
      (0..<20).map { _ in words[Int(generator.next() % UInt64(words.count))] }
        .joined(separator: " ") + "."
    }
  }

  static func tokens(_ documents: [String]) throws -> TokenDataset {
    try TokenDataset(
      TextCorpus(documents.map { TextDocument(text: $0) }), tokenizer: Tokenizer(.bytes))
  }

  static let vocabulary = 257
  static let length = 16

  static func model(
    _ recipe: QuantizationRecipe? = .b158WithoutNorm, seed: UInt64 = 2, hidden: Int = 16,
    layers: Int = 2, vocabulary: Int = Self.vocabulary, isBitNet: Bool = false,
    tiesEmbeddings: Bool = false
  ) -> DecoderModel {
    var generator = SeededGenerator(seed: seed)
    let make = isBitNet ? DecoderConfiguration.bitnet : DecoderConfiguration.llama
    return DecoderModel(
      make(vocabulary, hidden, layers, 2, 1, 24, 64, tiesEmbeddings), recipe: recipe,
      using: &generator)
  }

  /// Options of a short run, in which nothing is left out.
  static func options(steps: Int = 6) -> DecoderTrainingOptions {
    DecoderTrainingOptions(
      steps: steps, batchSize: 2, seed: 5,
      learningRate: LearningRateSchedule(peak: 1e-2, course: .twoStage(), warmupSteps: 2),
      evaluationInterval: 2, reportInterval: 2)
  }

  static func windows(_ tokens: TokenDataset, seed: UInt64 = 5) throws -> TokenWindows {
    try TokenWindows(tokens, length: length, seed: seed)
  }

  static func validation() throws -> ValidationWindows {
    try ValidationWindows(tokens(documents(2, seed: 9)), length: length)
  }
}

extension DecoderTrainingHistory {
  /// The history without the times, which differ from run to run.
  var withoutTimes: DecoderTrainingHistory {
    var result = self
    for index in result.points.indices { result.points[index].seconds = 0 }
    return result
  }
}
