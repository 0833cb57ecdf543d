import Testing

@testable import BitCore

/// Activations with a scale for each block of columns, and the layer that has them.
@Suite struct ActivationBlockQuantizerTests {
  static let lengths = ActivationQuantizer.Granularity.blockLengths

  /// A block is quantized as a token of its columns would be.
  @Test(arguments: lengths, [2, 8, 9, 16])
  func `each block is a token of its own`(length: Int, bits: Int) throws {
    for name in CPU.usableKernelNames {
      let kernels = try #require(KernelSet(named: name))
      for columns in [1, 31, 32, 70, 256, 300, 513] {
        for (range, epsilon) in [(ActivationQuantizer.CodeRange.symmetric, Float(0)), (.full, 2)] {
          func quantizer(_ granularity: ActivationQuantizer.Granularity) -> ActivationQuantizer {
            ActivationQuantizer(
              bits: bits, granularity: granularity, range: range, epsilon: epsilon)
          }
          let x = random([3, columns])
          let found = quantizer(.block(length)).quantize(x, kernels: kernels)
          let (codes, values) = (found.codes, found.dequantized())
          #expect(found.blocksPerRow == (columns + length - 1) / length)
          #expect(found.scales.count == 3 * found.blocksPerRow && found.blockColumns == length)
          for row in 0..<3 {
            for block in 0..<found.blocksPerRow {
              let part = block * length..<min(columns, (block + 1) * length)
              let piece = Tensor(part.map { x[row, $0] }, shape: [1, part.count])
              let expected = quantizer(.token).quantize(piece, kernels: kernels)
              #expect(part.map { codes[row * columns + $0] } == expected.codes)
              #expect(found.scales[row * found.blocksPerRow + block] == expected.scales[0])
              #expect(part.map { values[row, $0] } == expected.dequantized().scalars)
            }
          }
          for row in 0..<3 {
            let sum = codes[row * columns..<(row + 1) * columns].reduce(0, +)
            #expect(bits > 8 || Int(found.sums[row]) == sum)
          }
        }
      }
    }
  }

  @Test func `an outlier costs its block alone`() {
    var x = random([1, 128])
    x[0, 3] = 1e4
    let token = absmaxQuantize(x, granularity: .token).dequantized
    let block = absmaxQuantize(x, granularity: .block(32)).dequantized
    #expect((32..<128).allSatisfy { token[0, $0] == 0 })
    #expect((32..<128).allSatisfy { abs(block[0, $0] - x[0, $0]) < 0.02 })
  }

  /// The layer with latent weights, the packed one, and floats multiplied with dequantized values.
  @Test(arguments: lengths, WeightAlphabet.allCases)
  func `the layer and its gradients`(length: Int, weights: WeightAlphabet) throws {
    for (bits, groups, norm) in [
      (8, 1, Normalization.rms(epsilon: 1e-5)), (12, 2, .layer(epsilon: 1e-5)), (4, 4, nil),
    ] {
      let recipe = QuantizationRecipe(
        weights: weights,
        activations: ActivationQuantizer(bits: bits, granularity: .block(length), epsilon: 1e-5),
        normalization: norm)
      let (x, weight, bias) = (
        random([5, 300]), random([12, 300], seed: 4), random([12], seed: 5)
      )
      let normWeight = norm.map { _ in random([300], seed: 6) }
      let operation = BitLinearOperation(
        weight: weight, bias: bias, normWeight: normWeight, recipe: recipe, groups: groups)
      let (y, context) = operation.forward(x)

      let normalized = recipe.normalized(x, weight: normWeight, bias: nil)
      let input = recipe.activations.quantize(normalized).dequantized()
      let values = recipe.weightQuantizer.values(weight, groups: groups)
      let float = LinearOperation.forward(input, weight: values, bias: bias)
      #expect(difference(y, float.doubles, relative: 1e-4, absolute: 1e-4) == nil)
      let packed = try PackedBitLinear(
        matrix: recipe.weightQuantizer.quantize(weight, groups: groups), bias: bias,
        recipe: recipe, normWeight: normWeight)
      #expect(sameBits(packed(x), y))

      // Straight through: the gradients of the product of dequantized values.
      let upstream = random([5, 12], seed: 7)
      let found = operation.reverse(upstream: upstream, context: context)
      let product = LinearOperation.forward(upstream, weight: values.transposed, bias: nil)
      let expected = LinearOperation.forward(
        upstream.transposed, weight: input.transposed, bias: nil)
      #expect(difference(found.weight, expected.doubles, relative: 1e-4, absolute: 1e-4) == nil)
      let reversed = norm?.reverse(x, weight: normWeight, bias: nil, upstream: product)
      #expect(
        difference(
          found.input, (reversed?.input ?? product).doubles, relative: 1e-4, absolute: 1e-4) == nil)
      #expect(found.normWeight.map { _ in true } == norm.map { _ in true })
      #expect(found.bias == upstream.sumOfRows())
      // What is computed again without a context.
      let again = operation.reverse(
        x, upstream: upstream, context: nil,
        wanted: .init(input: .newTensor, weight: .newTensor, bias: true, norm: true))
      #expect(sameBits(again.weight, found.weight) && sameBits(again.input, found.input))
    }
  }

  /// Below full strength: x' = x + strength * (quantized(x) - x).
  @Test(arguments: lengths)
  func `the strength of quantization`(length: Int) {
    let recipe = QuantizationRecipe(
      weights: .ternary, activations: ActivationQuantizer(granularity: .block(length)),
      normalization: nil)
    let (x, weight) = (random([3, 100]), random([8, 100], seed: 4))
    let operation = BitLinearOperation(
      weight: weight, recipe: recipe, strength: QuantizationStrength(weights: 0, activations: 0.5))
    let quantized = recipe.activations.quantize(x).dequantized()
    let expected = LinearOperation.forward(
      (x + quantized) * 0.5, weight: weight, bias: nil)
    #expect(
      difference(operation.forward(x).output, expected.doubles, relative: 1e-5, absolute: 1e-5)
        == nil)
  }
}

extension Tensor {
  fileprivate var transposed: Tensor {
    let (rows, columns) = (shape[0], shape[1])
    return Tensor(
      (0..<columns).flatMap { column in (0..<rows).map { self[$0, column] } },
      shape: [columns, rows])
  }
}
