import Testing

@testable import BitCore

/// Defects of the reference in gradients, in the range of numbers and in memory; see
/// ``ReferenceDefectTests``.
@Suite struct ReferenceDefectNumberTests {
  // MARK: Gradients

  @Test(arguments: [QuantizationRecipe.bitnet, .b158], [1, 2])
  func `gradients pass both quantizers straight through`(
    recipe: QuantizationRecipe, groups: Int
  ) {
    let (x, weight, dy) = (random([3, 10]), random([4, 10]), random([3, 4], seed: 8))
    let operation = BitLinearOperation(weight: weight, recipe: recipe.withoutNorm, groups: groups)
    let gradients = operation.reverse(upstream: dy, context: operation.forward(x).context)
    let values = recipe.weightQuantizer.quantize(weight, groups: groups).values.doubles
    let input = recipe.activations.quantize(x).dequantized().doubles
    let expectedInput = (0..<30).map { i in
      (0..<4).reduce(0) { $0 + Double(dy[i / 10, $1]) * values[$1 * 10 + i % 10] }
    }
    let expectedWeight = (0..<40).map { i in
      (0..<3).reduce(0) { $0 + Double(dy[$1, i / 10]) * input[$1 * 10 + i % 10] }
    }
    #expect(difference(gradients.input, expectedInput, relativeToLargest: 1e-6) == nil)
    #expect(difference(gradients.weight, expectedWeight, relativeToLargest: 1e-6) == nil)
    #expect(gradients.weight.scalars.allSatisfy { $0 != 0 })
    #expect(gradients.input.scalars.contains { $0 != 0 })
  }

  @Test func `the activation quantizer's gradient is 1 at every element`() {
    let identity = Tensor((0..<100).map { $0 % 11 == 0 ? 1 : 0 }, shape: [10, 10])
    let operation = BitLinearOperation(
      weight: identity, recipe: .bitnet,
      strength: QuantizationStrength(weights: 0, activations: 1))
    let (x, ones) = (random([3, 10]), Tensor(repeating: 1, shape: [3, 10]))
    let context = operation.forward(x).context
    #expect(operation.reverse(upstream: ones, context: context).input == ones)
  }

  @Test(arguments: [QuantizationRecipe.bitnet, .b158])
  func `gradient descent reaches a target`(recipe: QuantizationRecipe) {
    let (x, start) = (random([16, 10]), random([4, 10]))
    let target = output(x, random([4, 10], seed: 77), recipe)
    var weight = start
    var losses: [Float] = []
    for _ in 0..<20 {
      let operation = BitLinearOperation(weight: weight, recipe: recipe.withoutNorm)
      let (output, context) = operation.forward(x)
      let (loss, gradient) = Losses.meanSquaredError(output, target: target)
      losses.append(loss)
      weight =
        weight - operation.reverse(upstream: gradient, context: context).weight * 0.2
    }
    #expect(weight != start)
    #expect((losses.min() ?? .infinity) < losses[0] / 2)
  }

  // MARK: The range of numbers

  @Test(arguments: ActivationQuantizer.Granularity.allCases, [2, 8, 9, 16])
  func `a zero tensor gives zeros`(granularity: ActivationQuantizer.Granularity, bits: Int) {
    let zeros = Tensor.zeros([3, 10])
    let (quantized, dequantized) = absmaxQuantize(zeros, bits: bits, granularity: granularity)
    #expect(quantized.codes.allSatisfy { $0 == 0 })
    #expect(dequantized == zeros)
    let quantizer = ActivationQuantizer(bits: bits, granularity: granularity)
    for weights in WeightAlphabet.allCases {
      #expect(
        WeightQuantizer(weights).quantize(random([4, 10])).matmul(quantizer.quantize(zeros))
          == .zeros([3, 4]))
    }
  }

  @Test(
    arguments: [Float.nan, -.nan, .infinity, -.infinity], ActivationQuantizer.Granularity.allCases)
  func `a row that is not finite becomes NaN and leaves the others alone`(
    value: Float, granularity: ActivationQuantizer.Granularity
  ) {
    // Columns 0 and 33 belong to the vector part and to the scalar part of a kernel.
    for (bits, bad, column) in [(8, 0, 0), (8, 1, 33), (12, 2, 0), (12, 0, 33)] {
      let quantizer = ActivationQuantizer(bits: bits, granularity: granularity)
      var x = random([3, 35])
      let good = (0..<3).filter { $0 != bad }
      // The outputs of the other rows without this row.
      let others = Tensor(good.flatMap { x.rows($0..<$0 + 1).scalars }, shape: [2, 35])
      x[bad, column] = value
      for weights in WeightAlphabet.allCases {
        let matrix = WeightQuantizer(weights).quantize(random([9, 35])).packed()
        let y = matrix.matmul(quantizer.quantize(x))
        let expected = matrix.matmul(quantizer.quantize(others))
        #expect(y.rows(bad..<bad + 1).scalars.allSatisfy { $0.isNaN })
        for (row, other) in zip(good, 0...) {
          #expect(sameBits(y.rows(row..<row + 1), expected.rows(other..<other + 1)))
        }
      }
      let quantized = quantizer.quantize(x)
      #expect(quantized.codes[35 * bad..<35 * (bad + 1)].allSatisfy { $0 == 0 })
      let blocks = quantized.blocksPerRow
      #expect(quantized.scales[blocks * bad..<blocks * (bad + 1)].allSatisfy { $0.isNaN })
      #expect(quantized.dequantized().rows(bad..<bad + 1).scalars.allSatisfy { $0.isNaN })
    }
  }

  @Test(arguments: WeightAlphabet.allCases, [Float.nan, .infinity])
  func `a weight that is not finite shows in its group and in no other`(
    weights: WeightAlphabet, value: Float
  ) {
    var weight = random([4, 10])
    weight[1, 3] = value
    let x = ActivationQuantizer().quantize(random([3, 10]))
    let y = WeightQuantizer(weights).quantize(weight, groups: 2).packed().matmul(x)
    for token in 0..<3 {
      #expect((0..<2).allSatisfy { !y[token, $0].isFinite })
      #expect((2..<4).allSatisfy { y[token, $0].isFinite })
    }
  }

  @Test(arguments: [Float(1e-30), 1e-36, 1e-37, 1e-38, 0x1p-133, 0x1p-149], [2, 8, 16])
  func `tiny inputs do not overflow the scale`(magnitude: Float, bits: Int) {
    let x = Tensor([1, -0.5, 0.25, 0]) * magnitude
    let (quantized, dequantized) = absmaxQuantize(x, bits: bits)
    #expect(quantized.scales.allSatisfy { $0.isFinite })
    // Half a step of the scale; below 4e-37 that is the step of the largest scale.
    let step = 1 / Double(quantized.scales[0])
    #expect(difference(dequantized, x.doubles, relative: 1e-6, absolute: step / 2) == nil)
    #expect(step <= max(Double(magnitude) * 1.0001 / Double(1 << (bits - 1) - 1), 3e-39))
  }

  @Test(arguments: 2...16, ActivationQuantizer.Granularity.allCases)
  func `codes of every width stay in range`(
    bits: Int, granularity: ActivationQuantizer.Granularity
  ) {
    let top = 1 << (bits - 1) - 1
    for seed in 0..<20 {
      let x = random([4, 37], seed: UInt64(seed)) * 100
      let (quantized, dequantized) = absmaxQuantize(x, bits: bits, granularity: granularity)
      let magnitudes = quantized.codes.map { abs($0) }
      #expect(magnitudes.max() == top)
      // Half a step, and the rounding of the float operations.
      for (i, (value, original)) in zip(dequantized.scalars, x.scalars).enumerated() {
        let block = i % 37 / (quantized.blockColumns ?? 37)
        let half = 0.5 / Double(quantized.scales[i / 37 * quantized.blocksPerRow + block])
        #expect(abs(Double(value) - Double(original)) <= half * 1.001 + 1e-4)
      }
      let full = ActivationQuantizer(bits: bits, granularity: granularity, range: .full)
      #expect(full.quantize(x).codes.allSatisfy { (-top - 1...top).contains($0) })
    }
  }

  @Test func `other widths and blocks are refused`() async {
    let one = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = absmaxQuantize(.zeros([4]), bits: 1)
    }
    expectMessage(one, "activations take 2...16 bits, not 1")
    let seventeen = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      _ = ActivationQuantizer(bits: 17)
    }
    expectMessage(seventeen, "activations take 2...16 bits, not 17")
    let odd = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = ActivationQuantizer(granularity: .block(48))
    }
    expectMessage(odd, "blocks of activations have 32, 64, 128 or 256 columns, not 48")
  }

  @Test(arguments: [Float(0), 0.5, -0.5], [Shape([1, 1]), [2, 2], [7, 33]])
  func `constant, zero and single weights give finite outputs`(value: Float, shape: Shape) {
    let weight = Tensor(repeating: value, shape: shape)
    let x = random([2, shape[1]])
    let sums = absmaxQuantize(x, granularity: .token).dequantized
    for recipe in [QuantizationRecipe.bitnet, .b158] {
      let y = output(x, weight, recipe)
      #expect(y.scalars.allSatisfy { value == 0 ? $0 == 0 : $0.isFinite && $0 != 0 })
    }
    // A constant weight equals its ternary value.
    for token in 0..<2 {
      let total = sums.rows(token..<token + 1).doubles.reduce(0, +)
      let ternary = output(x, weight, .b158).rows(token..<token + 1)
      let expected = [Double](repeating: total * Double(value), count: shape[0])
      #expect(difference(ternary, expected, relative: 1e-5, absolute: 1e-5) == nil)
    }
  }

  @Test func `weights equal to the mean become -1`() {
    #expect(
      WeightQuantizer.sign.quantize(Tensor([0, 2, -2, 0], shape: [1, 4])).codes == [-1, 1, -1, -1])
    let constant = WeightQuantizer.sign.quantize(Tensor(repeating: 0.1, shape: [3, 100]))
    #expect(constant.codes.allSatisfy { $0 == -1 })
    let grouped = WeightQuantizer.sign.quantize(Tensor([1, 3, 3, 5], shape: [2, 2]), groups: 2)
    #expect(grouped.codes == [-1, 1, -1, 1])
    #expect(grouped.groupScales == [2, 4])
  }

  // MARK: Memory

  @Test(arguments: [(8, 32), (64, 256), (65, 33), (96, 2560), (1000, 300)])
  func `packed weights take a quarter, a fifth or an eighth of a byte each`(
    rows: Int, columns: Int
  ) throws {
    for (format, codesPerByte) in [(PackedFormat.ternary2, 4), (.ternary1_6, 5), (.sign1, 8)] {
      let matrix = try CodeMatrix(
        codes: [Int8](repeating: 1, count: rows * columns), rows: rows, columns: columns,
        alphabet: format.alphabet, scales: .groups([1]), format: format)
      // Rows are padded to 64, columns to a byte or, where kernels use dot products, four bytes.
      let filledRows = (rows + 63) / 64 * 64
      let rowBytes = (columns + codesPerByte - 1) / codesPerByte
      let fullBytes = (columns + 4 * codesPerByte - 1) / (4 * codesPerByte) * 4
      #expect([rowBytes, fullBytes].contains(matrix.codeByteCount / filledRows))
      #expect(matrix.codeByteCount % filledRows == 0)
      // A float scale for each row.
      #expect(matrix.byteCount == matrix.codeByteCount + 4 * rows)
    }
  }
}
