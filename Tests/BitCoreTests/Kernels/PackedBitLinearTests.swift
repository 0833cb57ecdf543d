import Testing

@testable import BitCore

@Suite struct PackedBitLinearTests {
  @Test(arguments: 0..<12, WeightQuantizer.allCases)
  func `the packed layer gives the bits of the trained one`(
    index: Int, alphabet: WeightQuantizer
  ) throws {
    var generator = SeededGenerator(seed: UInt64(index))
    let groups = [1, 2, 5][index % 3]
    let rows = groups * generator.integers(1, in: 1...30)[0]
    let columns = 4 * generator.integers(1, in: 1...80)[0]
    let leading = [[], [3], [2, 5]][index / 2 % 3]
    let norms: [Normalization?] = [nil, .rms(), .layer(), .group(4)]
    let norm = norms[index % 4]
    let recipe = BitQuantization(
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
      norm?(x, weight: normWeight, bias: normBias) ?? x, weight: weight, bias: bias,
      recipe: recipe, groups: groups
    ).output
    let matrix = alphabet.quantize(weight, groups: groups)
    let layer = try PackedBitLinear(
      matrix: matrix, bias: bias, recipe: recipe, normWeight: normWeight,
      normBias: normBias)
    #expect(sameBits(layer(x), trained))
    #expect(layer(x).shape == Shape(leading + [rows]))
    #expect(layer.matrix.storageBits == alphabet.packedBits)
    #expect((layer.inFeatures, layer.outFeatures, layer.groups) == (columns, rows, groups))
    let vectors = [bias, normWeight, normBias].compactMap { $0?.count }.reduce(0, +)
    #expect(layer.byteCount == layer.matrix.byteCount + 4 * vectors)

    // The same codes read back from a file.
    let reread = try PackedMatrix(
      codes: matrix.codes, rows: rows, columns: columns, alphabet: alphabet,
      groupScales: matrix.groupScales)
    #expect(
      sameBits(
        try PackedBitLinear(
          matrix: reread, bias: bias, recipe: recipe, normWeight: normWeight,
          normBias: normBias)(x), trained))
  }

  @Test(arguments: WeightQuantizer.allCases)
  func `codes and values survive packing`(alphabet: WeightQuantizer) throws {
    for (rows, columns) in [(1, 1), (7, 3), (8, 32), (9, 33), (17, 300), (0, 5), (5, 0)] {
      var generator = SeededGenerator(seed: 1)
      let codes = generator.integers(rows * columns, in: -1...1)
        .map { Int8(alphabet == .sign && $0 == 0 ? 1 : $0) }
      let matrix = try PackedMatrix(
        codes: codes, rows: rows, columns: columns, alphabet: alphabet, groupScales: [0.5])
      #expect(matrix.codes == codes)
      #expect(matrix.packed().codes == codes)
      #expect(matrix.values == Tensor(codes.map { Float($0) / 2 }, shape: [rows, columns]))
      let x = ActivationQuantizer().quantize(.zeros([2, columns]))
      #expect(matrix.multiply(x) == .zeros([2, rows]))
    }
  }

  @Test(
    arguments: [
      ([1, 0, 2, 1], "code 2: found 2, expected -1, 0 or +1"),
      ([1, 0, 1, -128], "code 3: found -128, expected -1, 0 or +1"),
      ([1, 0, 1], "codes: found 3 codes, expected 2 x 2"),
    ] as [([Int8], String)])
  func `bad codes are refused`(codes: [Int8], message: String) {
    let error = #expect(throws: InputError.self) {
      try PackedMatrix(codes: codes, rows: 2, columns: 2, alphabet: .ternary, groupScales: [1])
    }
    #expect(error?.description == message)
  }

  @Test func `a sign matrix has no zeros`() {
    let error = #expect(throws: InputError.self) {
      try PackedMatrix(codes: [1, 0], rows: 1, columns: 2, alphabet: .sign, groupScales: [1])
    }
    #expect(error?.description == "code 1: found 0, expected -1 or +1")
    #expect(error?.kind == .malformed)
  }

  @Test func `sizes that cannot be are refused`() {
    for (rows, columns) in [(Int.max, 2), (-1, -2), (1 << 32, 1 << 32)] {
      let error = #expect(throws: InputError.self) {
        try PackedMatrix(
          codes: [1, 1], rows: rows, columns: columns, alphabet: .sign, groupScales: [1])
      }
      #expect(error?.description == "codes: found 2 codes, expected \(rows) x \(columns)")
    }
  }

  @Test(arguments: [[], [1, 2]] as [[Float]])
  func `scales that do not divide the rows are refused`(scales: [Float]) {
    let error = #expect(throws: InputError.self) {
      try PackedMatrix(
        codes: [1, 1, 1], rows: 3, columns: 1, alphabet: .sign, groupScales: scales)
    }
    #expect(
      error?.description
        == "scales: found \(scales.count) groups, expected a number that divides 3 rows")
    #expect(error?.kind == .mismatch)
  }

  @Test func `parts that do not fit are refused`() throws {
    let matrix = try PackedMatrix(
      codes: [1, -1, 1, 1, 1, 1], rows: 2, columns: 3, alphabet: .sign, groupScales: [1])
    func message(
      bias: Tensor? = nil, _ recipe: BitQuantization = .bitnet, normWeight: Tensor? = nil,
      normBias: Tensor? = nil
    ) -> String? {
      #expect(throws: InputError.self) {
        try PackedBitLinear(
          matrix: matrix, bias: bias, recipe: recipe, normWeight: normWeight,
          normBias: normBias)
      }?.description
    }
    var grouped = BitQuantization.bitnet
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
