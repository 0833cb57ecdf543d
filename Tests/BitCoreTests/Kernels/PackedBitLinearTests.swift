import Testing

@testable import BitCore

@Suite struct PackedBitLinearTests {
  @Test(arguments: 0..<12, WeightAlphabet.allCases)
  func `the packed layer gives the bits of the trained one`(
    index: Int, alphabet: WeightAlphabet
  ) throws {
    var generator = SeededGenerator(seed: UInt64(index))
    let groups = [1, 2, 5][index % 3]
    let rows = groups * generator.integers(1, in: 1...30)[0]
    let columns = 4 * generator.integers(1, in: 1...80)[0]
    let leading = [[], [3], [2, 5]][index / 2 % 3]
    let norms: [Normalization?] = [nil, .rms(), .layer(), .group(4)]
    let norm = norms[index % 4]
    let recipe = QuantizationRecipe(
      weights: alphabet,
      activations: ActivationQuantizer(
        bits: index % 2 == 0 ? 8 : 12, granularity: index % 5 == 0 ? .tensor : .token),
      normalization: norm)
    let x = generator.normal(Shape(leading + [columns]))
    let weight = generator.uniform([rows, columns], bound: 0.1)
    let bias = index % 3 == 0 ? nil : generator.normal([rows])
    let normWeight = norm == nil ? nil : generator.normal([columns])
    let normBias = index % 4 == 2 ? generator.normal([columns]) : nil

    let trained = BitLinearOperation(
      weight: weight, bias: bias, normWeight: normWeight, normBias: normBias, recipe: recipe,
      groups: groups
    ).forward(x).output
    let matrix = WeightQuantizer(alphabet).quantize(weight, groups: groups)
    let layer = try PackedBitLinear(
      matrix: matrix, bias: bias, recipe: recipe, normWeight: normWeight,
      normBias: normBias)
    #expect(sameBits(layer(x), trained))
    #expect(layer(x).shape == Shape(leading + [rows]))
    #expect(layer.matrix.format == alphabet.defaultFormat)
    #expect((layer.inFeatures, layer.outFeatures, layer.groups) == (columns, rows, groups))
    let vectors = [bias, normWeight, normBias].compactMap { $0?.count }.reduce(0, +)
    #expect(layer.byteCount == layer.matrix.byteCount + 4 * vectors)

    // The same codes read back from a file.
    let reread = try CodeMatrix(
      codes: matrix.codes, rows: rows, columns: columns, alphabet: alphabet,
      groupScales: matrix.groupScales)
    #expect(
      sameBits(
        try PackedBitLinear(
          matrix: reread, bias: bias, recipe: recipe, normWeight: normWeight,
          normBias: normBias)(x), trained))
  }

  /// The layer's formula, from the quantized input on, by plain loops.
  @Test(arguments: PackedFormat.allCases, WeightScales.blockLengths)
  func `a scale for each block of weights`(format: PackedFormat, length: Int) throws {
    let (rows, columns, alphabet) = (70, 300, format.alphabet)
    var generator = SeededGenerator(seed: 5)
    let x = generator.normal([6, columns])
    let (normWeight, bias) = (generator.normal([columns]), generator.normal([rows]))
    for (bits, range) in [(8, ActivationQuantizer.CodeRange.symmetric), (8, .full), (11, .full)] {
      let recipe = QuantizationRecipe(
        weights: alphabet, activations: ActivationQuantizer(bits: bits, range: range),
        normalization: .rms())
      let normalized = Normalization.rms()(x, weight: normWeight)
      let product = CodeProduct(
        codes: generator.codes(rows * columns, alphabet), rows: rows, x: normalized,
        alphabet: alphabet, quantizer: recipe.activations)
      for isExact in [true, false] {
        let scales = product.blockScales(length, exactHalves: isExact)
        let matrix = try CodeMatrix(
          codes: product.codes, rows: rows, columns: columns, alphabet: alphabet, scales: scales,
          format: format)
        let layer = try PackedBitLinear(
          matrix: matrix, bias: bias, recipe: recipe, normWeight: normWeight)
        #expect(layer.matrix.format == format)
        #expect(layer.matrix.scales == scales)
        #expect((layer.inFeatures, layer.outFeatures, layer.groups) == (columns, rows, 1))
        #expect(layer.byteCount == matrix.byteCount + 4 * (rows + columns))
        let y = layer(x)
        var expected: [Float] = []
        let quantized = recipe.activations.quantize(normalized)
        let (codes, blocks) = (quantized.codes, (columns + length - 1) / length)
        for token in 0..<6 {
          for row in 0..<rows {
            var total: Float = 0
            for block in 0..<blocks {
              let range = block * length..<min(columns, (block + 1) * length)
              let sum = range.reduce(0) {
                $0 + Int(product.codes[row * columns + $1]) * codes[token * columns + $1]
              }
              total = total.addingProduct(Float(sum), scales.values[row * blocks + block])
            }
            expected.append(total * (1 / quantized.scales[token]) + bias[row])
          }
        }
        #expect(sameBits(y, Tensor(expected, shape: [6, rows])))
        // And close to the float product with the dequantized weights.
        let float = LinearOperation.forward(
          quantized.dequantized(), weight: matrix.values, bias: bias)
        #expect(difference(y, float.doubles, relativeToLargest: 1e-5) == nil)
      }
    }
  }

  @Test func `parts that do not fit are refused`() throws {
    let matrix = try CodeMatrix(
      codes: [1, -1, 1, 1, 1, 1], rows: 2, columns: 3, alphabet: .sign, groupScales: [1])
    func message(
      bias: Tensor? = nil, _ recipe: QuantizationRecipe = .bitnet, normWeight: Tensor? = nil,
      normBias: Tensor? = nil
    ) -> String? {
      #expect(throws: InputError.self) {
        try PackedBitLinear(
          matrix: matrix, bias: bias, recipe: recipe, normWeight: normWeight,
          normBias: normBias)
      }?.description
    }
    var grouped = QuantizationRecipe.bitnet
    grouped.normalization = .group(2)
    #expect(message(bias: .zeros([3])) == "bias: found shape [3], expected [2]")
    #expect(message(normWeight: .zeros([2])) == "norm weight: found shape [2], expected [3]")
    #expect(message(normBias: .zeros([3, 1])) == "norm bias: found shape [3, 1], expected [3]")
    #expect(message(.b158) == "codes: found sign, expected ternary")
    #expect(
      message(grouped) == "normalization: found 2 groups, expected a number that divides 3 features"
    )
  }
}
