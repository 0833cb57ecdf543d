import BitCore
import BitLM
import Testing

/// What rounding the inputs of ternary and sign layers costs, beside products of floats.
struct ActivationModeTests {
  static let models = GoldenModel.all.filter { golden in
    ["lm/qwen3-t128-tied", "lm/qwen3-t128-untied", "lm/qwen3-s128-untied"].contains(golden.path)
  }

  /// The mean Kullback-Leibler divergence from the float path, and the share of positions with the
  /// same most likely token.
  private func difference(
    _ golden: GoldenModel, _ mode: ActivationMode
  ) throws -> (divergence: Double, sameTop: Double) {
    let exact = try golden.load(LanguageModel.Options(activations: .float))
    let rounded = try golden.load(LanguageModel.Options(activations: mode))
    var (sum, same, count) = (0.0, 0, 0)
    for ids in try golden.sequences {
      for (p, q) in zip(try exact.allLogits(of: ids), try rounded.allLogits(of: ids)) {
        let (pSum, qSum) = p.withUnsafeBufferPointer { p in
          q.withUnsafeBufferPointer { (DecoderMath().logSumExp(p), DecoderMath().logSumExp($0)) }
        }
        for (a, b) in zip(p, q) {
          let log = Double(a) - pSum
          sum += PortableMath.exp(min(0, log)) * (log - (Double(b) - qSum))
        }
        let top = { (logits: [Float]) in logits.firstIndex(of: logits.max() ?? 0) }
        same += top(p) == top(q) ? 1 : 0
        count += 1
      }
    }
    return (sum / Double(count), Double(same) / Double(count))
  }

  @Test("16 bits, the mode of weight-only models, are the nearest to floats", arguments: models)
  func weightOnly(_ golden: GoldenModel) throws {
    let model = try LanguageModel.load(path: golden.modelPath)
    #expect(model.options.activations == .int16)
    let chosen = try difference(golden, .int16)
    // Random weights have near ties for the most likely token, some of which go either way.
    #expect(abs(chosen.divergence) < 1e-6 && chosen.sameTop > 0.99)
    for mode in [ActivationMode.int8, .int8Blocks(32), .int8Blocks(128)] {
      let other = try difference(golden, mode)
      #expect(other.divergence > abs(chosen.divergence))
      #expect(other.divergence < 0.01)
    }
  }
}
