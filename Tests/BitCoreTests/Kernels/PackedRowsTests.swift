import Testing

@testable import BitCore

/// Codes as the bytes of files, which are the same for every format in memory.
@Suite struct PackedRowsTests {
  @Test(arguments: PackedFormat.allCases, CodeMatrixTests.sizes)
  func `bytes round trip`(format: PackedFormat, size: (Int, Int)) throws {
    let (rows, columns) = size
    var generator = SeededGenerator(seed: 3)
    let codes = generator.codes(rows * columns, format.alphabet)
    let perByte = format.alphabet == .sign ? 8 : 4
    #expect(
      CodeMatrix.rowBytes(columns: columns, alphabet: format.alphabet)
        == (columns + perByte - 1) / perByte)
    let blocks = max(1, (columns + 127) / 128)
    for scales in [
      .groups([0.5]), .blocks(columns: 128, (0..<rows * blocks).map { 0.1 * Float($0) - 1 }),
    ] as [WeightScales] {
      let matrix = try CodeMatrix(
        codes: codes, rows: rows, columns: columns, alphabet: format.alphabet, scales: scales,
        format: format)
      let bytes = matrix.packedRows
      #expect(bytes == expectedBytes(codes, rows, columns, format.alphabet))
      let read = try CodeMatrix(
        packedRows: bytes, rows: rows, columns: columns, alphabet: format.alphabet,
        scales: scales, format: format, source: "test")
      #expect(read.codes == codes)
      #expect(read.scales == scales)
      #expect(read.format == format)
      let x = ActivationQuantizer().quantize(random([2, columns]))
      #expect(sameBits(read.matmul(x), matrix.matmul(x)))
    }
  }

  @Test func `bytes by hand`() throws {
    let ternary = try CodeMatrix(
      codes: [1, 0, -1, 1, -1, 1, 0, 0, 0, 0], rows: 2, columns: 5, alphabet: .ternary,
      scales: .groups([1]), format: .ternary1_6)
    #expect(ternary.packedRows == [0b10_00_01_10, 0b00, 0b01_01_01_10, 0b01])
    let sign = try CodeMatrix(
      codes: [1, -1, -1, 1, -1, -1, -1, 1, 1], rows: 1, columns: 9, alphabet: .sign,
      scales: .groups([1]))
    #expect(sign.packedRows == [0b1000_1001, 1])
  }

  @Test(
    arguments: [
      ([0b11, 0], .ternary, "code 3 in row 0, column 0, expected codes 0, 1, 2"),
      ([0, 0b100], .ternary, "code 1 in row 0, column 5, expected zero bits after 5 columns"),
      ([0b10_0000], .sign, "code 1 in row 0, column 5, expected zero bits after 5 columns"),
      ([0], .ternary, "1 bytes of codes, expected 2 for 1 x 5"),
      ([0, 0], .sign, "2 bytes of codes, expected 1 for 1 x 5"),
    ] as [([UInt8], WeightAlphabet, String)])
  func `bad bytes are refused`(bytes: [UInt8], alphabet: WeightAlphabet, message: String) {
    let error = #expect(throws: InputError.self) {
      try CodeMatrix(
        packedRows: bytes, rows: 1, columns: 5, alphabet: alphabet, scales: .groups([1]),
        source: "file")
    }
    #expect(error?.description == "file: found \(message)")
  }

  @Test(
    arguments: [
      (
        .blocks(columns: 64, [1, 1]), nil,
        "scales: found 2 scales, expected 1 for 1 x 5 in blocks of 64"
      ),
      (.blocks(columns: 5, [1]), nil, "scales: found blocks of 5 weights, expected 64, 128 or 256"),
      (.groups([1, 2]), nil, "scales: found 2 groups, expected a number that divides 1 rows"),
      (.groups([1]), .ternary2, "format: found ternary2, expected one for sign codes"),
    ] as [(WeightScales, PackedFormat?, String)])
  func `scales and formats that do not fit are refused with the source`(
    scales: WeightScales, format: PackedFormat?, message: String
  ) {
    let error = #expect(throws: InputError.self) {
      try CodeMatrix(
        packedRows: [0], rows: 1, columns: 5, alphabet: .sign, scales: scales, format: format,
        source: "file")
    }
    #expect(error?.description == "file, \(message)")
  }

  @Test func `more columns than sums are exact for are refused`() {
    let columns = CodeMatrix.maximumColumns + 1
    let error = #expect(throws: InputError.self) {
      try CodeMatrix(
        packedRows: [UInt8](repeating: 0, count: columns / 8 + 1), rows: 1, columns: columns,
        alphabet: .sign, scales: .groups([1]), source: "file")
    }
    #expect(
      error?.description == "file, codes: found 8388609 columns, expected at most 8388608")
    #expect(error?.kind == .unsupported)
  }

  /// Code `code + 1` in 2 bits or `code == +1` in 1, the first column in the lowest bits.
  private func expectedBytes(
    _ codes: [Int8], _ rows: Int, _ columns: Int, _ alphabet: WeightAlphabet
  ) -> [UInt8] {
    let bits = alphabet == .sign ? 1 : 2
    return (0..<rows).flatMap { row in
      stride(from: 0, to: columns, by: 8 / bits).map { first in
        (first..<min(columns, first + 8 / bits)).reduce(UInt8(0)) { byte, column in
          let code = codes[row * columns + column]
          let stored = alphabet == .sign ? (code == 1 ? 1 : 0) : UInt8(code + 1)
          return byte | stored << UInt8((column - first) * bits)
        }
      }
    }
  }
}
