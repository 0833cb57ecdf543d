import BitCore
import BitFiles
import BitFormats
import BitLM
import Foundation
import Testing

/// The small models of random weights that the tests of BitFormats have, with their tokenizers.
enum Models {
  private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// A folder of Hugging Face, or a file of the folder `gguf`.
  static func path(_ name: String) -> String {
    tests.appendingPathComponent("BitFormatsTests/Golden/lm/\(name)").path
  }

  /// A model whose activations have 8 bits. Its context has 256 tokens, its vocabulary 320.
  static var llama: String { path("llama-b158-256") }
  /// A model whose weights alone are ternary.
  static var qwen: String { path("qwen3-t128-tied") }

  /// What transformers generates for the first sequence of a model with temperature 0.
  static func greedy(_ name: String, kind: String) throws -> (prompt: [Int32], ids: [Int32]) {
    let all = try JSONValue(
      parsing: String(
        contentsOf: tests.appendingPathComponent("BitLMTests/Golden/lm/models.json"),
        encoding: .utf8))
    let model = all["models"]?[name]?[kind]
    func ids(_ value: JSONValue?) throws -> [Int32] {
      try #require(value?.arrayValue?.first?.arrayValue).compactMap {
        $0.integerValue.map(Int32.init)
      }
    }
    return (try ids(model?["sequences"]), try ids(model?["greedy"]))
  }

  /// Ids on the command line.
  static func list(_ ids: some Sequence<Int32>) -> String {
    ids.map(\.description).joined(separator: ",")
  }

  /// All logits of a text, by the library.
  static func logits(_ model: LanguageModel, _ ids: [Int32]) throws -> [[Float]] {
    try model.evaluate([SequenceInput(DecoderSequence(model), ids, LogitRequest(.all))])[0].map {
      guard case .all(let values) = $0 else { throw CocoaError(.coderInvalidValue) }
      return values
    }
  }

  /// -log p of a token, in double throughout.
  static func loss(_ logits: [Float], _ token: Int32) -> Double {
    logSum(logits) - Double(logits[Int(token)])
  }

  /// The logarithm of the sum of exp(logit).
  static func logSum(_ logits: [Float]) -> Double {
    let largest = Double(logits.max() ?? 0)
    return largest + log(logits.reduce(0.0) { $0 + exp(Double($1) - largest) })
  }
}

extension Program.Run {
  /// The ids in the last line of standard output.
  func ids() throws -> [Int32] {
    try #require(try json()["ids"] as? [Int]).map(Int32.init)
  }
}
