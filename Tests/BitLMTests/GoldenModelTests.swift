import BitCore
import BitLM
import Testing

/// Logits and greedy texts of small random models, beside those of transformers.
struct GoldenModelTests {
  @Test("Logits are those of transformers", arguments: GoldenModel.all)
  func logits(_ golden: GoldenModel) throws {
    let model = try golden.load()
    for (index, ids) in try golden.sequences.enumerated() {
      let worst = try golden.difference(index, model.allLogits(of: ids))
      #expect(worst < golden.tolerance(index), "sequence \(index) differs by \(worst)")
    }
  }

  /// Texts of models in bfloat16 were generated in bfloat16 arithmetic, which differs by 0.1.
  @Test(
    "Greedy texts are those of transformers",
    arguments: GoldenModel.all.filter { !$0.path.hasSuffix("bf16") })
  func greedy(_ golden: GoldenModel) throws {
    let model = try golden.load()
    let description = try golden.description
    let texts = try GoldenModel.ids(description["greedy"])
    let gaps = description["greedy_gaps"]?.arrayValue
    #expect(!texts.isEmpty)
    for (index, ids) in try golden.sequences.enumerated() where index < texts.count {
      // Those of the older models begin with the prompt.
      let expected = gaps == nil ? Array(texts[index].dropFirst(ids.count)) : texts[index]
      let text = try model.greedyText(after: ids, count: expected.count)
      for step in expected.indices {
        if let gap = gaps?[index][step]?.doubleValue, gap < 1e-3 { break }
        #expect(text[step] == expected[step], "sequence \(index), step \(step)")
        if text[step] != expected[step] { break }
      }
    }
  }
}

extension LanguageModel {
  /// The logits of every position of a text that is evaluated at once.
  func allLogits(of ids: [Int32]) throws -> [[Float]] {
    try evaluate([SequenceInput(DecoderSequence(self), ids, LogitRequest(.all))])[0].map {
      guard case .all(let logits) = $0 else { return [] }
      return logits
    }
  }

  /// The tokens with the largest logits, one after the other.
  func greedyText(after ids: [Int32], count: Int) throws -> [Int32] {
    let sequence = DecoderSequence(self)
    var (next, text) = (ids, [Int32]())
    while text.count < count {
      let request = LogitRequest(.last, .candidates(count: 1, ids: []))
      let logits = try evaluate([SequenceInput(sequence, next, request)])[0][0]
      let best: Int32 =
        switch logits {
        case .all(let logits):
          Int32(logits.indices.max { (logits[$0], $1) < (logits[$1], $0) } ?? 0)
        case .candidates(let candidates): candidates[0].id
        }
      text.append(best)
      next = [best]
    }
    return text
  }
}
