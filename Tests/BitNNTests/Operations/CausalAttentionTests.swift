import BitCore
import TestSupport
import Testing
import _Differentiation

@testable import BitNN

/// Fused attention alone; `AttentionBlockTests` has it beside the plain operations.
@Suite struct CausalAttentionTests {
  @Test(arguments: try FusedFile.load().attention)
  func valuesAndGradients(_ golden: FusedFile.Attention) throws {
    let inputs = [golden.queries, golden.keys, golden.values].map(\.tensor)
    let (output, pullback) = valueWithPullback(at: inputs[0], inputs[1], inputs[2]) {
      causalAttention(queries: $0, keys: $1, values: $2, scale: golden.scale)
    }
    #expect(difference(output, golden.output, absolute: 1e-6, relative: 2e-6) == nil)
    let upstream = golden.upstream.tensor
    let (queries, keys, values) = pullback(upstream)
    let gradients = [queries, keys, values]
    for (gradient, expected) in zip(gradients, golden.gradients) {
      #expect(difference(gradient, expected, absolute: 2e-6, relative: 4e-6) == nil)
    }
    let slopes = slopeDifference(
      { causalAttention(queries: $0[0], keys: $0[1], values: $0[2], scale: golden.scale) },
      at: inputs, upstream: upstream, gradients: gradients)
    #expect(slopes == nil)
    // A result that nothing depends on.
    #expect(pullback(.zero) == (.zero, .zero, .zero))
  }

  /// Several blocks of rows, and more shares than threads.
  @Test func bitsDoNotDependOnThreads() {
    let sample = AttentionSample(positions: 150, heads: 6, keyValueHeads: 3)
    let results = withThreadLimits { sample.fused() }
    #expect(results.one.count == 4)
    #expect(zip(results.one, results.all).allSatisfy { sameBits($0, $1) })
  }

  /// What is kept for the gradients is a number for each row of each head, not a square.
  @Test func logarithmsOfSumsAreKept() {
    let (positions, heads, length) = (70, 4, 8)
    let sample = AttentionSample(positions: positions, heads: heads, keyValueHeads: 2)
    let kept = AttentionOperation().forward(
      queries: sample.queries, keys: sample.keys, values: sample.values
    ).logSums
    #expect(kept.shape == [2, positions, heads])
    let scale = 1 / Double(length).squareRoot()
    for (text, position, head) in [(0, 0, 3), (1, 69, 0), (0, 64, 2), (1, 33, 1)] {
      let sum = (0...position).reduce(0.0) { sum, other in
        var score = 0.0
        for i in 0..<length {
          let query = Double(sample.queries[text, position, head, i])
          score += query * Double(sample.keys[text, other, head / 2, i])
        }
        return sum + TestMath.exp(score * scale)
      }
      let actual = Double(kept[text, position, head])
      #expect(abs(actual - TestMath.log(sum)) < 1e-5 * max(1, abs(actual)))
    }
  }

  /// Scores that overflow exponentials, and scores that all but one underflow.
  @Test(arguments: [30, 1e4] as [Float])
  func largeScores(_ factor: Float) {
    var sample = AttentionSample(positions: 66, heads: 2, keyValueHeads: 1)
    sample.queries = sample.queries * factor
    let (fused, plain) = (sample.fused(), sample.plain())
    #expect(fused.allSatisfy { $0.isFinite })
    // The gradients of keys, say, are as large as queries times what rounding leaves.
    let difference = AttentionSample.difference(
      Array(fused.prefix(2)), Array(plain.prefix(2)), relative: 1e-4)
    #expect(difference == nil)
  }
}

/// Random heads of two texts.
struct AttentionSample {
  var queries: Tensor
  var keys: Tensor
  var values: Tensor
  let upstream: Tensor

  init(positions: Int, heads: Int, keyValueHeads: Int, length: Int = 8) {
    queries = random([2, positions, heads, length], seed: 1)
    keys = random([2, positions, keyValueHeads, length], seed: 2)
    values = random([2, positions, keyValueHeads, length], seed: 3)
    upstream = random([2, positions, heads, length], seed: 4)
  }

  /// The output of fused attention and the gradients of queries, keys and values.
  func fused() -> [Tensor] { results { causalAttention(queries: $0, keys: $1, values: $2) } }

  /// The same from plain operations.
  func plain() -> [Tensor] { results { plainAttention(queries: $0, keys: $1, values: $2) } }

  private func results(
    _ attention: @differentiable(reverse) (Tensor, Tensor, Tensor) -> Tensor
  ) -> [Tensor] {
    let (output, pullback) = valueWithPullback(at: queries, keys, values, of: attention)
    let gradients = pullback(upstream)
    return [output, gradients.0, gradients.1, gradients.2]
  }

  /// What is wrong with results, or nil if each is within `relative` of its largest value, or of 1,
  /// which is about the largest of what they are sums and differences of.
  static func difference(_ actual: [Tensor], _ expected: [Tensor], relative: Float) -> String? {
    for (name, (a, b)) in zip(["output", "queries", "keys", "values"], zip(actual, expected)) {
      guard a.shape == b.shape else { return "\(name) of shape \(a.shape), expected \(b.shape)" }
      let largest = b.scalars.reduce(1) { max($0, abs($1)) }
      let worst = zip(a.scalars, b.scalars).reduce(Float(0)) { worst, pair in
        let distance = abs(pair.0 - pair.1)
        return distance.isNaN ? .infinity : max(worst, distance)
      }
      guard worst <= relative * largest else { return "\(name) differs by \(worst) of \(largest)" }
    }
    return nil
  }
}
