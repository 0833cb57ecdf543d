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
    let q = rotary(
      queries(input).reshaped([batch, positions, heads, length]), cosines: cosines, sines: sines)
    let k = rotary(
      keys(input).reshaped([batch, positions, keyValueHeads, length]), cosines: cosines,
      sines: sines)
    let v = values(input).reshaped([batch, positions, keyValueHeads, length])
    let attended = plainAttention(queries: q, keys: k, values: v)
    return output(attended.reshaped([batch, positions, heads * length]))
  }

  mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    visit("queries", &queries, gradient?.queries)
    visit("keys", &keys, gradient?.keys)
    visit("values", &values, gradient?.values)
    visit("output", &output, gradient?.output)
  }
}

/// `causalAttention` from the plain operations: `[batch, positions, heads, length]`.
@differentiable(reverse)
func plainAttention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor {
  let shape = withoutDerivative(at: queries.shape)
  let (batch, positions, heads, length) = withoutDerivative(
    at: (shape[0], shape[1], shape[2], shape[3]))
  let sharedHeads = withoutDerivative(at: keys.shape[2])
  let groupSize = withoutDerivative(at: heads / sharedHeads)
  // [batch, key/value heads, queries of the group or 1, positions, length]
  let groups = queries.swappedAxes(1, 2)
    .reshaped([batch, sharedHeads, groupSize, positions, length])
  let shared = withoutDerivative(at: [batch, sharedHeads, 1, positions, length] as Shape)
  let scale = withoutDerivative(at: 1 / Float(length).squareRoot())
  let scores = matmul(groups, keys.swappedAxes(1, 2).reshaped(shared), transposeB: true) * scale
  let attended = matmul(
    softmax(scores, mask: .causal), values.swappedAxes(1, 2).reshaped(shared))
  return attended.reshaped([batch, heads, positions, length]).swappedAxes(1, 2)
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
    let gradients = block.namedGradients(gradient)
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

  /// A block of rows of the fused attention has 64.
  @Test(
    arguments: [1, 2, 63, 64, 65, 130], [[4, 2], [2, 2], [3, 1]])
  func fusedEqualsPlain(_ positions: Int, _ heads: [Int]) {
    let sample = AttentionSample(positions: positions, heads: heads[0], keyValueHeads: heads[1])
    let difference = AttentionSample.difference(sample.fused(), sample.plain(), relative: 1e-5)
    #expect(difference == nil)
  }

  // MARK: Comparison

  /// Within 1e-5 of the largest value expected.
  private func relativeDifference(_ actual: Tensor?, _ expected: GoldenTensor) -> String? {
    let largest = expected.data.reduce(0) { max($0, abs($1)) }
    return difference(actual, expected, absolute: 1e-5 * largest)
  }
}
