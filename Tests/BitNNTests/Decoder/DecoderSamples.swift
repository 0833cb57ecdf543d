import BitCore
import BitFormats
import BitNN
import Testing

/// Small models of every kind that can be made and saved.
struct DecoderSample: Sendable, CustomTestStringConvertible {
  let name: String
  let configuration: DecoderConfiguration
  var recipe: QuantizationRecipe?

  var testDescription: String { name }

  /// The model, whose norms are not all ones.
  func model(seed: UInt64 = 1) -> DecoderModel {
    var generator = SeededGenerator(seed: seed)
    var model = DecoderModel(configuration, recipe: recipe, using: &generator)
    model.updateParameters { _, value, _ in
      if value.shape.rank == 1 { value += generator.normal(value.shape, standardDeviation: 0.1) }
    }
    return model
  }

  static func named(_ name: String) -> DecoderSample {
    guard let sample = all.first(where: { $0.name == name }) else {
      preconditionFailure("no sample \(name)")
    }
    return sample
  }

  private static func llama(tied: Bool = false) -> DecoderConfiguration {
    .llama(
      vocabulary: 40, hidden: 16, layers: 2, heads: 4, keyValueHeads: 2, intermediate: 24,
      context: 64, tiesEmbeddings: tied)
  }

  static let all: [DecoderSample] = {
    var (scaled, norms, qwen, yarn) = (llama(), llama(tied: true), llama(), llama(tied: true))
    scaled.rotary.scaling = .llama3(
      factor: 8, lowFrequency: 1, highFrequency: 4, originalContext: 32)
    scaled.beginOfSequence = 1
    scaled.endOfSequence = [2, 5]
    norms.hasProjectionNorms = true
    norms.projectionNormEpsilon = 1e-4
    qwen.family = .qwen3
    qwen.hasQueryKeyNorms = true
    qwen.headLength = 6
    qwen.rotary.length = 6
    qwen.normEpsilon = 1e-6
    yarn.family = .qwen3
    yarn.hasQueryKeyNorms = true
    yarn.rotary.scaling = .yarn(.init(factor: 4, originalContext: 16))
    let bitnet = DecoderConfiguration.bitnet(
      vocabulary: 40, hidden: 16, layers: 2, heads: 4, keyValueHeads: 2, intermediate: 24,
      context: 64, tiesEmbeddings: true)
    return [
      DecoderSample(name: "llama", configuration: llama()),
      DecoderSample(name: "llama tied", configuration: llama(tied: true)),
      DecoderSample(name: "llama b158", configuration: llama(), recipe: .b158),
      DecoderSample(name: "llama3 scaling b158", configuration: scaled, recipe: .b158WithoutNorm),
      DecoderSample(name: "norms of projections", configuration: norms, recipe: .b158),
      DecoderSample(name: "bitnet", configuration: bitnet, recipe: .b158),
      DecoderSample(name: "float bitnet", configuration: bitnet),
      DecoderSample(name: "qwen3", configuration: qwen),
      DecoderSample(name: "qwen3 b158, YaRN", configuration: yarn, recipe: .b158),
    ]
  }()

  /// Some texts of a vocabulary, one after another, and what follows each token.
  static func texts(
    count: Int, positions: Int, vocabulary: Int
  ) -> (tokens: [Int32], labels: [Int32]) {
    let tokens = (0..<count * positions).map { Int32($0 * $0 % 31 * 7 % vocabulary) }
    let labels = tokens.indices.map { index in
      (index + 1) % positions == 0 ? -100 : tokens[index + 1]
    }
    return (tokens, labels)
  }
}
