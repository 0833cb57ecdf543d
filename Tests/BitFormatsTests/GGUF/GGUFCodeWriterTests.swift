import BitCore
import BitFormats
import Testing

/// Codes and scales to bytes and back, and what the types cannot hold.
@Suite struct GGUFCodeWriterTests {
  /// Type, columns of a block of scales (0: one for the tensor), columns of the matrix.
  static let cases: [(GGUFTensorType, Int, Int)] = [
    (.tq1_0, 256, 512), (.tq2_0, 256, 768), (.q1_0, 128, 384), (.q2_0, 64, 192),
    (.pq2_0, 128, 256), (.i2_s, 0, 384), (.tq1_0, 0, 256), (.q2_0, 0, 320), (.q2_0, 128, 256),
    (.q2_0, 256, 512), (.pq2_0, 256, 512),
  ]

  static func tensor(
    _ type: GGUFTensorType, block: Int, columns: Int, rows: Int, seed: UInt64
  ) throws -> CodedTensor {
    let alphabet: WeightAlphabet = type == .q1_0 ? .sign : .ternary
    var generator = SeededGenerator(seed: seed)
    let scales = (0..<(block == 0 ? 1 : rows * (columns / block))).map { _ in
      // Halves: 11 bits and an exponent.
      Float(Int.random(in: 1...2047, using: &generator)) * 0x1p-13
    }
    return try CodedTensor(
      codes: randomCodes(rows * columns, seed: seed + 1, alphabet: alphabet), rows: rows,
      columns: columns, alphabet: alphabet,
      scaleKind: block == 0 ? .tensor : .block(columns: block), scales: scales, source: "codes")
  }

  @Test(arguments: cases)
  func keepsEveryCodeAndScale(type: GGUFTensorType, block: Int, columns: Int) throws {
    for (rows, seed) in [(1, 1), (5, 2), (33, 3)] as [(Int, UInt64)] {
      for layout in type == .i2_s ? I2SLayout.allCases : [.x86] {
        let tensor = try Self.tensor(type, block: block, columns: columns, rows: rows, seed: seed)
        try withTemporaryFolder { folder in
          let path = folder + "/m.gguf"
          try GGUFWriter.write(
            [GGUFEntry("w", tensor, type: type, i2sLayout: layout)],
            metadata: [I2SLayout.metadataKey: .string(layout.rawValue)], to: path)
          let options = GGUFOptions(q2BlockLength: type == .q2_0 ? 64 : nil)
          let file = try GGUFFile(path: path, options: options)
          #expect(file.tensors.map(\.shape) == [[rows, columns]])
          #expect(file.tensors[0].type == type)
          #expect(try data(of: "w", in: file) == tensor.ggufBytes(type, i2sLayout: layout))
          let read = try file.codedTensor("w")
          #expect(read.alphabet == tensor.alphabet)
          #expect(try read.rows(0..<rows).codes == tensor.rows(0..<rows).codes)
          #expect(try bits(read.values(0..<rows)) == bits(tensor.values(0..<rows)))
          if let length = type.blockLength, length == block {
            #expect(try read.rows(0..<rows).scales == tensor.rows(0..<rows).scales)
          }
          #expect(
            try read.packedMatrix().values.scalars == tensor.packedMatrix().values.scalars)
        }
      }
    }
  }

  struct Refusal: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let type: GGUFTensorType
    let columns: Int
    let codes: [Int8]
    let kind: ScaleKind
    let scales: [Float]
    let message: String
  }

  static let refusals = [
    Refusal(
      testDescription: "inexact half", type: .tq2_0, columns: 256,
      codes: randomCodes(512, seed: 1), kind: .row, scales: [0.5, 0.3],
      message: "found the scale 0.3 of row 1, block 0, "
        + "expected one that a half holds exactly, as TQ2_0 stores it"),
    Refusal(
      testDescription: "great scale", type: .q2_0, columns: 64, codes: randomCodes(64, seed: 1),
      kind: .tensor, scales: [65_536],
      message: "found the scale 65536.0 of row 0, block 0, "
        + "expected one that a half holds exactly, as Q2_0 stores it"),
    Refusal(
      testDescription: "row length", type: .tq1_0, columns: 128, codes: randomCodes(128, seed: 1),
      kind: .tensor, scales: [1],
      message: "found rows of 128 codes to be written as TQ1_0, expected a multiple of 256"),
    Refusal(
      testDescription: "row length of I2_S", type: .i2_s, columns: 64,
      codes: randomCodes(128, seed: 1), kind: .tensor, scales: [1],
      message: "found rows of 64 codes to be written as I2_S, expected a multiple of 128"),
    Refusal(
      testDescription: "scales of blocks in a block", type: .tq2_0, columns: 256,
      codes: [Int8](repeating: 1, count: 256), kind: .block(columns: 64), scales: [1, 1, 2, 1],
      message: "found the scales 1.0 and 2.0 by row 0, column 128, "
        + "expected one per 256 columns, as TQ2_0 has"),
    Refusal(
      testDescription: "scales of rows in a tensor", type: .i2_s, columns: 128,
      codes: [Int8](repeating: -1, count: 384), kind: .row, scales: [1, 1, 3],
      message: "found the scales 1.0 and 3.0 by row 2, column 0, "
        + "expected one for the tensor, all that I2_S has"),
    Refusal(
      testDescription: "zeros as signs", type: .q1_0, columns: 128,
      codes: [Int8](repeating: 1, count: 128 + 5) + [0] + [Int8](repeating: 1, count: 122),
      kind: .tensor, scales: [1],
      message: "found the code 0 in row 1, column 5, expected -1 or +1, all that Q1_0 has"),
    Refusal(
      testDescription: "code 2", type: .q2_0, columns: 64,
      codes: [Int8](repeating: 1, count: 63) + [2], kind: .tensor, scales: [1],
      message: "found the code +2 in row 0, column 63, expected -1, 0 or +1"),
    Refusal(
      testDescription: "type of floats", type: .q8_0, columns: 256,
      codes: randomCodes(256, seed: 1), kind: .tensor, scales: [1],
      message: "found codes to be written as Q8_0, "
        + "expected TQ1_0, TQ2_0, Q1_0, Q2_0, PQ2_0 or I2_S"),
    Refusal(
      testDescription: "scale that is no number", type: .i2_s, columns: 128,
      codes: randomCodes(256, seed: 1), kind: .row, scales: [1, .nan],
      message: "found the scale nan of row 1, expected a finite number, not negative"),
    Refusal(
      testDescription: "infinite scale", type: .q2_0, columns: 128,
      codes: randomCodes(256, seed: 1), kind: .block(columns: 64), scales: [1, 1, 1, -.infinity],
      message: "found the scale -inf of row 1, block 1, expected a finite number"),
  ]

  @Test(arguments: refusals) func namesWhatCannotBeHeld(_ test: Refusal) throws {
    let tensor = try CodedTensor(
      codes: test.codes, rows: test.codes.count / test.columns, columns: test.columns,
      scaleKind: test.kind, scales: test.scales, source: "w")
    let error = #expect(throws: InputError.self) { try tensor.ggufBytes(test.type) }
    #expect(error?.description == "w: " + test.message)
    try withTemporaryFolder { (folder: String) throws -> Void in
      #expect(throws: InputError.self) {
        try GGUFWriter.write(
          [GGUFEntry("w", tensor, type: test.type)], metadata: [:], to: folder + "/w.gguf")
      }
      #expect(try names(in: folder) == [])
    }
  }

  /// Zeros are zeros at any scale, so their block does not stop a tensor from having one.
  @Test func aBlockOfZerosFitsAnyScale() throws {
    let codes = randomCodes(128, seed: 9) + [Int8](repeating: 0, count: 128)
    let tensor = try CodedTensor(
      codes: codes, rows: 1, columns: 256, scaleKind: .block(columns: 128), scales: [0.3, 0],
      source: "w")
    let made = HandMadeGGUF.one([256], type: 36, try tensor.ggufBytes(.i2_s)).bytes
    let read = try GGUFFile(bytes: made).codedTensor("t").rows(0..<1)
    #expect(read.codes == codes)
    #expect(read.scales == [0.3])
  }
}

@Suite struct CodedTensorTests {
  static func scales(
    _ codes: [Int8], _ scales: [Float], rows: Int, block: Int, alphabet: WeightAlphabet = .ternary
  ) throws -> WeightScales {
    let tensor = try CodedTensor(
      codes: codes, rows: rows, columns: codes.count / rows, alphabet: alphabet,
      scaleKind: .block(columns: block), scales: scales, source: "w")
    let matrix = try tensor.packedMatrix()
    #expect(matrix.codes == codes)
    #expect(matrix.values.scalars == (try tensor.values(0..<rows)))
    return matrix.scales
  }

  @Test func scalesAreGroupsWhereThatChangesNothing() throws {
    let codes = randomCodes(256, seed: 5)
    #expect(try Self.scales(codes, [2, 2, 2, 2], rows: 2, block: 64) == .groups([2]))
    #expect(try Self.scales(codes, [2, 2, 3, 3], rows: 2, block: 64) == .groups([2, 3]))
    #expect(
      try Self.scales(codes, [2, 3, 3, 3], rows: 2, block: 64)
        == .blocks(columns: 64, [2, 3, 3, 3]))
    #expect(
      try Self.scales(codes, [-2, -2, -2, -2], rows: 2, block: 64)
        == .blocks(columns: 64, [-2, -2, -2, -2]))
    // A block with scale 0 keeps its codes.
    #expect(
      try Self.scales(codes, [2, 0, 2, 2], rows: 2, block: 64)
        == .blocks(columns: 64, [2, 0, 2, 2]))
  }

  @Test func aBlockOfZerosHasNoSay() throws {
    let some = randomCodes(64, seed: 6)
    let none = [Int8](repeating: 0, count: 64)
    #expect(
      try Self.scales(some + none + some + some, [2, 0, 2, 2], rows: 2, block: 64) == .groups([2]))
    #expect(
      try Self.scales(none + some + none + some, [9, 2, 0, 3], rows: 2, block: 64)
        == .groups([2, 3]))
    #expect(
      try Self.scales(none + none + some + some, [0, 0, 3, 3], rows: 2, block: 64) == .groups([3]))
    #expect(try Self.scales(none + none, [0, 0], rows: 1, block: 64) == .groups([0]))
  }

  @Test func aPackedMatrixAndBack() throws {
    let codes = randomCodes(4 * 128, seed: 8)
    for scales in [
      .groups([2]), .groups([1, 2]), .groups([1, 2, 3, 4]),
      .blocks(columns: 64, [1, 2, 3, 4, 5, 6, 7, 8]),
    ] as [WeightScales] {
      let matrix = try CodeMatrix(
        codes: codes, rows: 4, columns: 128, alphabet: .ternary, scales: scales)
      let tensor = CodedTensor(matrix, source: "m")
      #expect(try tensor.values(0..<4) == matrix.values.scalars)
      #expect(try tensor.values(2..<3) == Array(matrix.values.scalars[256..<384]))
      #expect(try tensor.packedMatrix().scales == scales)
    }
  }

  @Test func countsThatDoNotFit() {
    let error = #expect(throws: InputError.self) {
      try CodedTensor(
        codes: [1, 0, -1], rows: 2, columns: 2, scaleKind: .row, scales: [1], source: "w")
    }
    #expect(
      error?.description == "w: found 3 codes and 1 scales, expected 2 x 2 codes and 2 scales")
  }

  @Test func lengthsThatTheKernelsDoNotHave() throws {
    let tensor = try CodedTensor(
      codes: randomCodes(64, seed: 2), rows: 1, columns: 64, scaleKind: .block(columns: 32),
      scales: [1, 2], source: "w")
    let error = #expect(throws: InputError.self) { try tensor.packedMatrix() }
    #expect(error?.description == "w, scales: found blocks of 32 weights, expected 64, 128 or 256")
  }
}
