import BitCore
import BitLM
import Testing

/// One model, used by several texts at the same time.
struct SharedModelTests {
  static let models = GoldenModel.all.filter { golden in
    ["lm/bitnet-64-long", "lm/qwen3-t128-tied", "lm/gguf/llama-float-64-q4_1.gguf"]
      .contains(golden.path)
  }

  @Test(
    "Conversations on one model at the same time say what each says alone", arguments: models)
  func sessions(_ golden: GoldenModel) async throws {
    let isFloat = golden.path.contains("float")
    let model = try golden.load(LanguageModel.Options(activations: isFloat ? nil : .int8))
    let questions = ["Who goes there?", "1 + 1", "Who goes there?", "A longer question, then."]
    var alone: [[Int32]] = []
    for question in questions { alone.append(try await Self.answers(model, question)) }
    let together = try await withThrowingTaskGroup(of: (Int, [Int32]).self) { group in
      for (index, question) in questions.enumerated() {
        group.addTask { (index, try await Self.answers(model, question)) }
      }
      return try await group.reduce(into: questions.map { _ in [Int32]() }) { $0[$1.0] = $1.1 }
    }
    #expect(together == alone)
    #expect(alone.allSatisfy { !$0.isEmpty })
    #expect(Set(alone).count > 1)
  }

  /// The tokens of two answers in one conversation. Random weights seldom end a text.
  private static func answers(_ model: LanguageModel, _ question: String) async throws -> [Int32] {
    let options = GenerationOptions(sampling: .greedy, maxTokens: 12, ignoresEndOfText: true)
    let session = try ChatSession(model, options: options)
    var ids: [Int32] = []
    for text in [question, "And then?"] {
      _ = try await session.respond(to: text)
      ids += session.lastResult?.ids ?? []
    }
    return ids
  }
}
