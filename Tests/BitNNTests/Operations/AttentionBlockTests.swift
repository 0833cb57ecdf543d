import BitCore
import TestSupport
import Testing
import _Differentiation

@testable import BitNN

/// A causal attention block as a user writes one from the plain operations: rotary embedding, and
/// several query heads on each key/value head.
struct PlainAttentionBlock: Layer {
  var queries: Linear
  var keys: Linear
  var values: Linear
  var output: Linear
  @noDerivative let heads: Int
  @noDerivative let keyValueHeads: Int
  @noDerivative let cosines: Tensor
  @noDerivative let sines: Tensor

  /// A block for inputs `[batch, positions, width]`.
  init(
    width: Int, heads: Int, keyValueHeads: Int, length: Int, cosines: Tensor, sines: Tensor
  ) {
    queries = Linear(width, heads * length, bias: false)
    keys = Linear(width, keyValueHeads * length, bias: false)
    values = Linear(width, keyValueHeads * length, bias: false)
    output = Linear(heads * length, width, bias: false)
    (self.heads, self.keyValueHeads) = (heads, keyValueHeads)
    (self.cosines, self.sines) = (cosines, sines)
  }

  @differentiable(reverse)
  func callAsFunction(_ input: Tensor) -> Tensor {
    let (batch, positions) = withoutDerivative(at: (input.shape[0], input.shape[1]))
    let length = withoutDerivative(at: queries.outFeatures / heads)
    let groupSize = withoutDerivative(at: heads / keyValueHeads)
    let q = rotary(
      queries(input).reshaped([batch, positions, heads, length]), cosines: cosines, sines: sines)
    let k = rotary(
      keys(input).reshaped([batch, positions, keyValueHeads, length]), cosines: cosines,
      sines: sines)
    let v = values(input).reshaped([batch, positions, keyValueHeads, length])
    // [batch, key/value heads, queries of the group or 1, positions, length]
    let groups = q.swappedAxes(1, 2)
      .reshaped([batch, keyValueHeads, groupSize, positions, length])
    let shared = withoutDerivative(at: [batch, keyValueHeads, 1, positions, length] as Shape)
    let scale = withoutDerivative(at: 1 / Float(length).squareRoot())
    let scores = matmul(groups, k.swappedAxes(1, 2).reshaped(shared), transposeB: true) * scale
    let attended = matmul(
      softmax(scores, mask: .causal), v.swappedAxes(1, 2).reshaped(shared))
    return output(
      attended.reshaped([batch, heads, positions, length]).swappedAxes(1, 2)
        .reshaped([batch, positions, heads * length]))
  }

  mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    visit("queries", &queries, gradient?.queries)
    visit("keys", &keys, gradient?.keys)
    visit("values", &values, gradient?.values)
    visit("output", &output, gradient?.output)
  }
}

/// The numbers that PyTorch's attention gives; see Golden/generate_operations.py.
struct AttentionFile: Decodable {
  let parameters, gradients: [String: GoldenTensor]
  let input, cosines, sines, output, upstream, input_gradient: GoldenTensor

  static func load() throws -> AttentionFile { try GoldenFile.load("attention") }

  /// The block of this file, with its parameters.
  func block() -> PlainAttentionBlock {
    var block = PlainAttentionBlock(
      width: 12, heads: 4, keyValueHeads: 2, length: 4, cosines: cosines.tensor,
      sines: sines.tensor)
    block.setParameters(parameters.mapValues(\.tensor))
    return block
  }
}

@Suite struct AttentionBlockTests {
  @Test func plainOperationsEqualPyTorch() throws {
    let golden = try AttentionFile.load()
    let block = golden.block()
    let input = golden.input.tensor
    let (output, pullback) = valueWithPullback(at: block, input) { $0($1) }
    #expect(relativeDifference(output, golden.output) == nil)
    let (gradient, inputGradient) = pullback(golden.upstream.tensor)
    #expect(relativeDifference(inputGradient, golden.input_gradient) == nil)
    let gradients = block.gradients(gradient)
    #expect(gradients.keys.sorted() == golden.gradients.keys.sorted())
    for (name, expected) in golden.gradients {
      #expect(relativeDifference(gradients[name], expected) == nil, "\(name)")
    }
    // Outside of a derivative: the same bits.
    #expect(sameBits(block(input), output))
  }

  /// Later inputs do not change earlier outputs.
  @Test func theBlockIsCausal() throws {
    let golden = try AttentionFile.load()
    let block = golden.block()
    let output = block(golden.input.tensor)
    var changed = golden.input.tensor
    changed[0, 3, 2] += 1
    let other = block(changed)
    for (position, expected) in [true, true, true, false, false].enumerated() {
      let range = position..<position + 1
      let (a, b) = (output.sliced(axis: 1, range), other.sliced(axis: 1, range))
      #expect(sameBits(a.sliced(axis: 0, 0..<1), b.sliced(axis: 0, 0..<1)) == expected)
      #expect(sameBits(a.sliced(axis: 0, 1..<2), b.sliced(axis: 0, 1..<2)))
    }
  }

  // MARK: The fused attention against the plain operations

  /// Within 1e-5 of the largest value expected.
  private func relativeDifference(_ actual: Tensor?, _ expected: GoldenTensor) -> String? {
    let largest = expected.data.reduce(0) { max($0, abs($1)) }
    return difference(actual, expected, absolute: 1e-5 * largest)
  }
}
