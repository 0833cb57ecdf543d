import BitLM
import Foundation
import Testing

/// The filtered distributions of other programs: Golden/sampling.json.
struct GoldenSampling: Decodable {
  /// A logit; JSON has no infinities.
  struct Logit: Decodable {
    let value: Float

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      value =
        (try? container.decode(String.self)) == "-inf"
        ? -.infinity
        : Float(
          try container.decode(Double.self))
    }
  }

  struct Parameters: Decodable {
    var temperature: Double?
    var top_k: Int?
    var top_p: Double?
    var min_p: Double?
    var repetition_penalty: Double?
    var frequency_penalty: Double?
    var presence_penalty: Double?

    func options(_ order: SamplingOrder) -> SamplingOptions {
      SamplingOptions(
        temperature: temperature ?? 1, topK: top_k ?? 0, topP: top_p ?? 1, minP: min_p ?? 0,
        repetitionPenalty: repetition_penalty ?? 1, frequencyPenalty: frequency_penalty ?? 0,
        presencePenalty: presence_penalty ?? 0, penaltyWindow: .max, order: order)
    }
  }

  struct Distribution: Decodable {
    let kept: [Int32]
    let probs: [Double]
  }

  enum HuggingFace: Decodable {
    case same
    case other(Distribution)

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if (try? container.decode(String.self)) == "same" {
        self = .same
      } else {
        self = .other(try container.decode(Distribution.self))
      }
    }
  }

  struct Case: Decodable {
    let params: Parameters
    let llama_cpp: Distribution
    let hf: HuggingFace?
    let boundary_margin: Double
  }

  struct Vector: Decodable {
    let name: String
    let logits: [Logit]
    let history: [Int32]
    let greedy: [Int32]
    let cases: [Case]
  }

  let vectors: [Vector]

  static func load() throws -> GoldenSampling {
    let url = try #require(
      Bundle.module.url(forResource: "sampling", withExtension: "json", subdirectory: "Golden"))
    return try JSONDecoder().decode(GoldenSampling.self, from: Data(contentsOf: url))
  }
}
