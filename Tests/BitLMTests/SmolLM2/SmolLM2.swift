import BitCore
import BitFiles
import BitLM
import BitTokenizers
import Foundation
import Testing

/// SmolLM2-135M-Instruct with weights of 4 bits, a real chat model, and what transformers computes
/// with it.
///
/// The model is not part of the project: `Examples/chat/run` fetches it.
enum SmolLM2 {
  /// The environment variable with the path of the model.
  static let variable = "BITLINEAR_SMOLLM2"
  static let path = ProcessInfo.processInfo.environment[variable].flatMap { $0.isEmpty ? nil : $0 }
  /// Why tests are skipped.
  static let isMissing: Comment =
    "\(variable) is not set: it must hold the path of SmolLM2-135M-Instruct.Q4_1.gguf"

  static func load(_ precision: CachePrecision = .float32) throws -> LanguageModel {
    let path = try #require(path, isMissing)
    let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
    let expected = try GoldenModel.json("smollm2/cases.json")["gguf_bytes"]?.integerValue
    try #require(size.map(Int64.init) == expected, "\(path) is not the file of the golden values")
    return try LanguageModel.load(
      path: path, options: LanguageModel.Options(cachePrecision: precision))
  }

  /// Prompts and what follows them.
  static func cases() throws -> [Case] {
    let cases = try #require(GoldenModel.json("smollm2/cases.json")["cases"]?.arrayValue)
    try #require(cases.count == 6)
    return try cases.map { try Case($0) }
  }

  /// The tokens of a novel in windows, each a text of its own.
  static func windows() throws -> [[Int32]] {
    let ids = try GoldenModel.ids(
      .array([GoldenModel.json("smollm2/perplexity.json")["ids"] ?? .null]))
    try #require(ids[0].count == 2048)
    return stride(from: 0, to: 2048, by: 512).map { Array(ids[0][$0..<$0 + 512]) }
  }

  /// A prompt, and what transformers computes after it.
  struct Case: Sendable {
    let prompt: String
    /// The conversation that the chat template made the prompt of; nil for other prompts.
    let messages: [ChatMessage]?
    let promptIDs: [Int32]
    /// The tokens with the largest logits, one after the other, beyond the end of the text.
    let greedyIDs: [Int32]
    let greedyText: String
    /// By how much the largest logit of each step exceeds the next.
    let gaps: [Double]
    /// The largest logits after the prompt.
    let top: [(id: Int, logit: Double)]

    init(_ json: JSONValue) throws {
      func numbers(_ value: JSONValue?) throws -> [Double] {
        try (value?.arrayValue ?? []).map { try #require($0.doubleValue) }
      }
      prompt = try #require(json["prompt"]?.stringValue)
      messages = try json["messages"]?.arrayValue?.map {
        ChatMessage(
          role: try #require($0["role"]?.stringValue),
          content: try #require($0["content"]?.stringValue))
      }
      promptIDs = try numbers(json["prompt_ids"]).map { Int32($0) }
      greedyIDs = try numbers(json["greedy_ids"]).map { Int32($0) }
      greedyText = try #require(json["greedy_text"]?.stringValue)
      gaps = try numbers(json["gaps"])
      let best = json["last_logits_top20"]
      top = try zip(numbers(best?["ids"]), numbers(best?["logits"])).map { (Int($0), $1) }
      try #require(greedyIDs.count == 48 && gaps.count == 48 && top.count == 20)
    }

    /// How many of the greedy tokens rounding cannot change.
    var certainCount: Int { gaps.firstIndex { $0 < 1e-2 } ?? gaps.count }
  }
}
