import Testing

@testable import BitCore

/// The reference layer, zeta's BitLinear, with which this package began, has defects that its users
/// meet. Each test here shows that one of them is not in this package; its name says which.
@Suite struct ReferenceDefectTests {
  // MARK: Shapes and groups

  @Test(arguments: [1, 2, 4, 128], [1, 2, 3])
  func `groups do not mix the batch axis with output rows`(batch: Int, rank: Int) {
    let shape: Shape = [[10], [batch, 10], [batch, 5, 10]][rank - 1]
    var generator = SeededGenerator(seed: 1)
    let (x, weight) = (generator.normal(shape), generator.normal([20, 10]))
    for (recipe, groups) in [
      (QuantizationRecipe.bitnet, 2), (.bitnet, 4), (.b158, 2), (.b158, 4), (.b158, 20),
    ] {
      let y = output(x, weight, recipe, groups: groups)
      #expect(y.shape == shape.replacingFeatures(20))
      // Each group of rows gives the output of a layer of its own.
      let blocks = (0..<groups).map { group in
        let size = 20 / groups
        return output(x, weight.rows(group * size..<(group + 1) * size), recipe)
      }
      for token in 0..<shape.rows {
        let expected = blocks.flatMap { block in
          let size = block.shape.features
          return block.scalars[token * size..<(token + 1) * size]
        }
        #expect(Array(y.scalars[token * 20..<(token + 1) * 20]) == expected)
      }
    }
  }

  @Test func `a vector stays a vector`() {
    let y = output(Tensor(repeating: 1, shape: [10]), random([20, 10]), .bitnet)
    #expect(y.shape == [20])
  }

  @Test func `groups that do not divide the output rows are refused`() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = WeightQuantizer.sign.quantize(.zeros([20, 10]), groups: 3)
    }
    expectMessage(result, "3 groups do not divide 20 output features")
  }

  @Test func `no groups at all are refused`() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = BitLinearOperation(weight: .zeros([20, 10]), recipe: .b158, groups: 0)
        .forward(.zeros([1, 10]))
    }
    expectMessage(result, "0 groups do not divide 20 output features")
  }

  @Test(arguments: WeightAlphabet.allCases)
  func `an empty batch gives an empty output and zero gradients`(weights: WeightAlphabet) {
    for bits in [8, 12] {
      let recipe = QuantizationRecipe(
        weights: weights, activations: ActivationQuantizer(bits: bits), normalization: nil)
      let operation = BitLinearOperation(
        weight: random([20, 10]), bias: .zeros([20]), recipe: recipe)
      let x = Tensor.zeros([0, 10])
      let (output, context) = operation.forward(x)
      #expect(output.shape == [0, 20])
      let gradients = operation.reverse(upstream: .zeros([0, 20]), context: context)
      #expect(gradients.input.shape == [0, 10])
      #expect(gradients.weight == .zeros([20, 10]))
      #expect(gradients.bias == .zeros([20]))
    }
    #expect(absmaxQuantize(.zeros([0, 10])).dequantized.shape == [0, 10])
  }

  // MARK: Scales

  @Test(arguments: [1, 2, 4])
  func `the weight scale is the mean magnitude of a group`(groups: Int) {
    let weight = random([20, 10])
    let size = weight.count / groups
    let means = (0..<groups).map { group in
      weight.doubles[group * size..<(group + 1) * size].reduce(0) { $0 + abs($1) } / Double(size)
    }
    for quantizer in WeightAlphabet.allCases {
      let scales = WeightQuantizer(quantizer).quantize(weight, groups: groups).groupScales
      #expect(difference(Tensor(scales), means, relative: 1e-6) == nil)
    }
  }

  @Test(arguments: [QuantizationRecipe.bitnet, .b158], [1, 4])
  func `outputs grow with the weights`(recipe: QuantizationRecipe, groups: Int) {
    let (x, weight) = (random([3, 10]), random([20, 10]))
    let y = output(x, weight, recipe, groups: groups)
    #expect(y.scalars.contains { $0 != 0 })
    #expect(output(x, weight * 1024, recipe, groups: groups) == y * 1024)
  }

  @Test(arguments: [QuantizationRecipe.bitnet, .b158], [1, 4])
  func `outputs grow with the activations`(recipe: QuantizationRecipe, groups: Int) {
    let (x, weight) = (random([3, 10]), random([20, 10]))
    let y = output(x, weight, recipe, groups: groups)
    #expect(output(x * 1024, weight, recipe, groups: groups) == y * 1024)
  }

  @Test func `outputs come near those of the float layer with the quantized weight`() {
    let (x, weight) = (random([3, 10]), random([20, 10]))
    let values = WeightQuantizer.sign.values(weight)
    let float = LinearOperation.forward(x, weight: values, bias: nil)
    // Ten inputs, each with an error of at most half a step of max|x| / 127.
    let largest = x.doubles.map { abs($0) }.max() ?? 0
    let bound = 10 * largest / 254 * Double(values.scalars[0].magnitude) * 1.001
    #expect(
      difference(output(x, weight, .bitnet), float.doubles, relative: 0, absolute: bound) == nil)
  }

  @Test(arguments: WeightAlphabet.allCases, [8, 12])
  func `with a scale for each token, batch mates do not matter`(
    weights: WeightAlphabet, bits: Int
  ) {
    let recipe = QuantizationRecipe(
      weights: weights, activations: ActivationQuantizer(bits: bits), normalization: .rms())
    let (token, weight) = (random([1, 10]), random([20, 10]))
    let alone = output(token, weight, recipe)
    for factor: Float in [1, 50, 1000, 1e30] {
      let mate = random([1, 10], seed: 9) * factor
      let batch = Tensor(mate.scalars + token.scalars + mate.scalars, shape: [3, 10])
      #expect(sameBits(output(batch, weight, recipe).rows(1..<2), alone))
    }
  }

  @Test(arguments: [QuantizationRecipe.bitnet, .b158])
  func `bias is added after the scales`(recipe: QuantizationRecipe) {
    let (x, weight, bias) = (random([3, 10]), random([20, 10]), random([20], seed: 5))
    var expected = output(x, weight, recipe)
    expected.addToRows(bias)
    let operation = BitLinearOperation(weight: weight, bias: bias, recipe: recipe.withoutNorm)
    let y = operation.forward(x).output
    #expect(sameBits(y, expected))
  }

  @Test(arguments: [4, 64, 512])
  func `RMSNorm gives rows of mean square 1, whatever their width`(width: Int) {
    let y = Normalization.rms(epsilon: 0)(random([2, width]))
    for row in 0..<2 {
      let square = y.rows(row..<row + 1).doubles.reduce(0) { $0 + $1 * $1 } / Double(width)
      #expect(abs(square - 1) < 1e-5)
    }
  }
}

func random(_ shape: Shape, seed: UInt64 = 3) -> Tensor {
  var generator = SeededGenerator(seed: seed)
  return generator.normal(shape)
}

extension QuantizationRecipe {
  /// The same recipe without a normalization.
  var withoutNorm: QuantizationRecipe {
    QuantizationRecipe(weights: weights, activations: activations, normalization: nil)
  }
}

/// The layer's output without normalization and bias.
func output(
  _ x: Tensor, _ weight: Tensor, _ recipe: QuantizationRecipe, groups: Int = 1
) -> Tensor {
  BitLinearOperation(weight: weight, recipe: recipe.withoutNorm, groups: groups).forward(x).output
}

/// Checks what a process printed that failed a precondition; optimized code prints nothing.
func expectMessage(_ result: ExitTest.Result?, _ message: String) {
  #if DEBUG
    let printed = result.map { String(decoding: $0.standardErrorContent, as: UTF8.self) } ?? ""
    #expect(printed.contains(message))
  #endif
}
