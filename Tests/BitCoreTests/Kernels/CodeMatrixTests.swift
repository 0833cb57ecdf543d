import CBitKernels
import Testing

@testable import BitCore

/// Codes and scales are stored unchanged, in every format, in the number of bytes of the format.
@Suite struct CodeMatrixTests {
  static let sizes = [
    (1, 1), (7, 3), (8, 32), (9, 33), (16, 5), (17, 300), (64, 64), (65, 257), (130, 8), (0, 5),
    (5, 0),
  ]

  @Test(arguments: PackedFormat.allCases, sizes)
  func `codes and values survive packing`(format: PackedFormat, size: (Int, Int)) throws {
    let (rows, columns) = size
    var generator = SeededGenerator(seed: 1)
    let codes = generator.codes(rows * columns, format.alphabet)
    let matrix = try CodeMatrix(
      codes: codes, rows: rows, columns: columns, alphabet: format.alphabet,
      scales: .groups([0.5]), format: format)
    #expect(matrix.codes == codes)
    #expect(matrix.format == format)
    #expect(matrix.values == Tensor(codes.map { Float($0) / 2 }, shape: [rows, columns]))
    let x = ActivationQuantizer().quantize(.zeros([2, columns]))
    #expect(matrix.matmul(x) == .zeros([2, rows]))

    for length in WeightScales.blockLengths {
      let blocks = max(1, (columns + length - 1) / length)
      let values = (0..<rows * blocks).map { Float($0) * 0.1 - 1 }
      let scales = WeightScales.blocks(columns: length, values)
      let matrix = try CodeMatrix(
        codes: codes, rows: rows, columns: columns, alphabet: format.alphabet, scales: scales,
        format: format)
      #expect(matrix.codes == codes)
      #expect(matrix.scales == scales)
      #expect(matrix.groupScales.isEmpty)
      let expected = codes.indices.map { index in
        Float(codes[index]) * values[index / columns * blocks + index % columns / length]
      }
      #expect(matrix.values == Tensor(expected, shape: [rows, columns]))
      #expect(matrix.matmul(x) == .zeros([2, rows]))
    }
  }

  @Test(arguments: sizes)
  func `ternary formats change into one another`(rows: Int, columns: Int) throws {
    var generator = SeededGenerator(seed: 2)
    let codes = generator.codes(rows * columns, .ternary)
    let blocks = max(1, (columns + 63) / 64)
    for scales in [
      .groups([0.5]), .blocks(columns: 64, (0..<rows * blocks).map { Float($0) + 0.1 }),
    ] as [WeightScales] {
      let matrix = try CodeMatrix(
        codes: codes, rows: rows, columns: columns, alphabet: .ternary, scales: scales)
      #expect(matrix.format == .ternary2)
      // Without an argument, a format stays as it is.
      #expect(matrix.packed().codeBuffer === matrix.codeBuffer)
      let smaller = matrix.packed(as: .ternary1_6)
      #expect(smaller.packed().codeBuffer === smaller.codeBuffer)
      #expect(smaller.format == .ternary1_6)
      let direct = try CodeMatrix(
        codes: codes, rows: rows, columns: columns, alphabet: .ternary, scales: scales,
        format: .ternary1_6)
      for matrix in [smaller, smaller.packed(as: .ternary2), direct] {
        #expect(matrix.codes == codes)
        #expect(matrix.scales == scales)
      }
      #expect(smaller.byteCount == direct.byteCount)
      #expect(smaller.packed(as: .ternary2).byteCount == matrix.byteCount)
    }
  }

  @Test func `unpacked codes take the default format`() {
    for (alphabet, format) in [(WeightAlphabet.ternary, PackedFormat.ternary2), (.sign, .sign1)] {
      let matrix = WeightQuantizer(alphabet).quantize(random([5, 9]))
      #expect(matrix.format == nil)
      #expect(matrix.packed().format == format)
      #expect(alphabet.defaultFormat == format)
      #expect(matrix.packed().codes == matrix.codes)
    }
  }

  @Test func `a format of the other alphabet is refused`() async {
    let sign = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = WeightQuantizer.ternary.quantize(.zeros([2, 2])).packed(as: .sign1)
    }
    expectMessage(sign, "sign1 holds no ternary codes")
    let ternary = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
      _ = WeightQuantizer.sign.quantize(.zeros([2, 2])).packed(as: .ternary1_6)
    }
    expectMessage(ternary, "ternary1.6 holds no sign codes")
  }

  // MARK: Memory

  @Test(arguments: zip(PackedFormat.allCases, [2, 1.6, 1]))
  func `bits of a weight`(format: PackedFormat, bits: Double) {
    let (rows, columns) = (2560, 2560)
    func bitsPerWeight(_ bytes: Int) -> Double { Double(8 * bytes) / Double(rows * columns) }
    func matrix(_ scales: WeightScales) -> CodeMatrix {
      CodeMatrix(
        rows: rows, columns: columns, alphabet: format.alphabet, format: format, scales: scales)
    }
    let plain = matrix(.groups([0.1]))
    #expect(bitsPerWeight(plain.codeByteCount) == bits)
    #expect(format.bitsPerWeight == bits)
    // And a float for each row.
    #expect(plain.byteCount == plain.codeByteCount + 4 * rows)
    for length in WeightScales.blockLengths {
      // Every block begins with a new byte of five codes or, for dot products, with four of them.
      let stepCodes = format.codesPerByte * (plain.layout == BK_DOT ? 4 : 1)
      let codeBits =
        bits * Double((length + stepCodes - 1) / stepCodes * stepCodes) / Double(length)
      for (value, scaleBits) in [(Float(0.125), 16.0), (0.1, 32)] {
        let count = rows * columns / length
        let matrix = matrix(.blocks(columns: length, [Float](repeating: value, count: count)))
        #expect(bitsPerWeight(matrix.codeByteCount) == codeBits)
        #expect(bitsPerWeight(matrix.byteCount) == codeBits + scaleBits / Double(length))
      }
    }
  }

  // MARK: What is refused

  @Test(
    arguments: [
      ([1, 0, 2, 1], "code 2: found 2, expected -1, 0 or +1"),
      ([1, 0, 1, -128], "code 3: found -128, expected -1, 0 or +1"),
      ([1, 0, 1], "codes: found 3 codes, expected 2 x 2"),
    ] as [([Int8], String)])
  func `bad codes are refused`(codes: [Int8], message: String) {
    for format in [nil, .ternary2, .ternary1_6] as [PackedFormat?] {
      let error = #expect(throws: InputError.self) {
        try CodeMatrix(
          codes: codes, rows: 2, columns: 2, alphabet: .ternary, scales: .groups([1]),
          format: format)
      }
      #expect(error?.description == message)
    }
  }

  @Test func `a sign matrix has no zeros`() {
    let error = #expect(throws: InputError.self) {
      try CodeMatrix(codes: [1, 0], rows: 1, columns: 2, alphabet: .sign, groupScales: [1])
    }
    #expect(error?.description == "code 1: found 0, expected -1 or +1")
    #expect(error?.kind == .malformed)
  }

  @Test func `sizes that cannot be are refused`() {
    for (rows, columns) in [(Int.max, 2), (-1, -2), (1 << 32, 1 << 32)] {
      let error = #expect(throws: InputError.self) {
        try CodeMatrix(
          codes: [1, 1], rows: rows, columns: columns, alphabet: .sign, groupScales: [1])
      }
      #expect(error?.description == "codes: found 2 codes, expected \(rows) x \(columns)")
    }
  }

  @Test(
    arguments: [
      (.sign, .ternary2, "format: found ternary2, expected one for sign codes"),
      (.sign, .ternary1_6, "format: found ternary1.6, expected one for sign codes"),
      (.ternary, .sign1, "format: found sign1, expected one for ternary codes"),
    ] as [(WeightAlphabet, PackedFormat, String)])
  func `formats of the other alphabet are refused`(
    alphabet: WeightAlphabet, format: PackedFormat, message: String
  ) {
    for scales in [.groups([1]), .blocks(columns: 64, [1])] as [WeightScales] {
      let error = #expect(throws: InputError.self) {
        try CodeMatrix(
          codes: [1, -1], rows: 1, columns: 2, alphabet: alphabet, scales: scales, format: format)
      }
      #expect(error?.description == message)
      #expect(error?.kind == .mismatch)
    }
  }

  @Test(
    arguments: [
      (.groups([]), .mismatch, "0 groups, expected a number that divides 3 rows"),
      (.groups([1, 2]), .mismatch, "2 groups, expected a number that divides 3 rows"),
      (
        .blocks(columns: 32, [1, 1, 1]), .unsupported,
        "blocks of 32 weights, expected 64, 128 or 256"
      ),
      (
        .blocks(columns: 0, [1, 1, 1]), .unsupported,
        "blocks of 0 weights, expected 64, 128 or 256"
      ),
      (
        .blocks(columns: -64, [1]), .unsupported,
        "blocks of -64 weights, expected 64, 128 or 256"
      ),
      (
        .blocks(columns: 64, [1, 1, 1]), .mismatch,
        "3 scales, expected 6 for 3 x 65 in blocks of 64"
      ),
      (.blocks(columns: 64, []), .mismatch, "0 scales, expected 6 for 3 x 65 in blocks of 64"),
      (
        .blocks(columns: 128, [1, 1, 1, 1]), .mismatch,
        "4 scales, expected 3 for 3 x 65 in blocks of 128"
      ),
    ] as [(WeightScales, InputError.Kind, String)])
  func `scales that do not fit are refused`(
    scales: WeightScales, kind: InputError.Kind, message: String
  ) {
    let error = #expect(throws: InputError.self) {
      try CodeMatrix(
        codes: [Int8](repeating: 1, count: 195), rows: 3, columns: 65, alphabet: .sign,
        scales: scales)
    }
    #expect(error?.description == "scales: found \(message)")
    #expect(error?.kind == kind)
  }
}
