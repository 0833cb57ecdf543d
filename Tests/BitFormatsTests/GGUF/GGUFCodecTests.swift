import BitCore
import BitFormats
import Foundation
import Testing

/// Block layouts, from independent encoders and from hand-made bytes.
@Suite struct GGUFCodecTests {
  struct Layouts: Decodable {
    let rows: Int
    let cols: Int
    let scale: Float
    let ternary: [Int8]
    let i2_s_x86_128: String
    let i2_s_arm_64: String
    let iq2_bn: String
    let iq1_bn: String

    static func load() throws -> Layouts {
      try JSONDecoder().decode(Layouts.self, from: Golden.data("gguf/block_layouts.json"))
    }
  }

  @Test func theLayoutsOfOtherForks() throws {
    let golden = try Layouts.load()
    let extents = [Int64(golden.cols), Int64(golden.rows)]
    for (hex, type, layout) in [
      (golden.i2_s_x86_128, 36, I2SLayout.x86), (golden.i2_s_arm_64, 36, .arm),
      (golden.iq1_bn, 134, .x86), (golden.iq2_bn, 135, .x86),
    ] as [(String, UInt32, I2SLayout)] {
      let file = try GGUFFile(
        bytes: HandMadeGGUF.one(extents, type: type, bytes(hex: hex)).bytes,
        options: GGUFOptions(i2sLayout: layout))
      let tensor = try file.codedTensor("t")
      let read = try tensor.rows(0..<golden.rows)
      #expect(read.codes == golden.ternary)
      // In IQ1_BN the scale is a half, which holds this one.
      #expect(Set(read.scales) == [golden.scale])
      #expect(tensor.scaleKind == (type == 36 ? .tensor : .row))
      #expect(try tensor.packedMatrix().scales == .groups([golden.scale]))
      #expect(
        try file.values("t", rows: 3..<4)
          == golden.ternary[768..<1024].map { Float($0) * golden.scale })
      if type == 36 { #expect(try tensor.ggufBytes(.i2_s, i2sLayout: layout) == bytes(hex: hex)) }
    }
  }

  static let half: [UInt8] = [0x00, 0x38]  // 0.5

  /// Element e of a block is bit e % 8 of byte e / 8.
  @Test func q1_0HasOneBitAWeight() throws {
    let content = Self.half + [0b0000_0101] + [UInt8](repeating: 0, count: 14) + [0x80]
    let file = try GGUFFile(bytes: HandMadeGGUF.one([128], type: 41, content).bytes)
    var expected = [Float](repeating: -0.5, count: 128)
    for index in [0, 2, 127] { expected[index] = 0.5 }
    #expect(try file.tensor("t").scalars == expected)
    let tensor = try file.codedTensor("t")
    #expect(tensor.alphabet == .sign)
    #expect(try tensor.packedMatrix().alphabet == .sign)
    #expect(try tensor.ggufBytes(.q1_0) == content)
  }

  /// Element e of a block is bits 2(e % 4) of byte e / 4; the scale comes first.
  @Test(arguments: [(42, 64), (42, 128), (142, 128)] as [(UInt32, Int)])
  func q2_0HasFourInAByte(type: UInt32, length: Int) throws {
    // Two blocks: the first begins -1 0 1 -1, the second ends in 1.
    let content =
      Self.half + [0b0010_0100] + [UInt8](repeating: 0x55, count: length / 4 - 1)
      + [0x00, 0xbc] + [UInt8](repeating: 0x55, count: length / 4 - 1) + [0b1001_0101]
    let bytes = HandMadeGGUF.one([Int64(2 * length)], type: type, content).bytes
    let file = try GGUFFile(bytes: bytes, options: GGUFOptions(q2BlockLength: length))
    var expected = [Float](repeating: 0, count: 2 * length)
    (expected[0], expected[2], expected[3], expected[2 * length - 1]) = (-0.5, 0.5, -0.5, -1)
    #expect(try file.tensor("t").scalars == expected)
    let tensor = try file.codedTensor("t")
    #expect(tensor.scaleKind == .block(columns: length))
    #expect(try tensor.rows(0..<1).scales == [0.5, -1])
    // A negative scale stays with its block.
    #expect(try tensor.packedMatrix().scales == .blocks(columns: length, [0.5, -1]))
    if file.tensors[0].type != .q2_0Block128 {
      #expect(try tensor.ggufBytes(file.tensors[0].type) == content)
    }
  }

  /// Which byte and digit of PTQ1_0 hold an element: 80 elements in 16 bytes of five digits, 40 in
  /// 8, and 8 in 2 of four, digit after digit, as in TQ1_0 with half of each.
  @Test func ptq1_0IsTQ1_0Halved() throws {
    let codes = randomCodes(256, seed: 7)
    var content: [UInt8] = []
    for block in 0..<2 {
      var digits = [[Int]](repeating: [0, 0, 0, 0, 0], count: 26)
      for element in 0..<128 {
        let digit = Int(codes[128 * block + element] + 1)
        switch element {
        case ..<80: digits[element % 16][element / 16] = digit
        case ..<120: digits[16 + (element - 80) % 8][(element - 80) / 8] = digit
        default: digits[24 + (element - 120) % 2][(element - 120) / 2] = digit
        }
      }
      content += digits.map { UInt8(($0.reduce(0) { 3 * $0 + $1 } * 256 + 242) / 243) }
      content += block == 0 ? Self.half : [0x00, 0x34]
    }
    let file = try GGUFFile(bytes: HandMadeGGUF.one([256], type: 143, content).bytes)
    let read = try file.codedTensor("t").rows(0..<1)
    #expect(read.codes == codes)
    #expect(read.scales == [0.5, 0.25])
    let error = #expect(throws: InputError.self) { try file.codedTensor("t").ggufBytes(.ptq1_0) }
    #expect(error?.kind == .mismatch)
  }

  /// Every byte of base 3 gives digits, whatever wrote it.
  @Test func everyByteOfBaseThreeIsThreeValued() throws {
    for (type, extent, count) in [(34, 256, 54), (143, 128, 28), (134, 64, 15)]
      as [(UInt32, Int64, Int)]
    {
      for first in stride(from: 0, to: 256, by: 17) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: first + $0 * 5) }
        let made = HandMadeGGUF.one([extent], type: type, bytes).bytes
        let values = try GGUFFile(bytes: made).values("t", rows: 0..<1)
        #expect(values.count == Int(extent))
        #expect(Set(values.map(\.magnitude).filter { !$0.isNaN }).count <= 2)
      }
    }
  }

  /// Code 3 is +2 as a float and an error where codes are asked for.
  @Test(
    arguments: [
      (42, 64, 18, 2 + 5, 0x0c, 21), (142, 128, 34, 2 + 5, 0x0c, 21), (35, 256, 66, 40, 0x30, 200),
      (36, 128, 64, 9, 0x0c, 73), (135, 64, 20, 4 + 5, 0xc0, 53),
    ] as [(UInt32, Int64, Int, Int, UInt8, Int)])
  func codeThreeIsNotTernary(
    type: UInt32, columns: Int64, size: Int, place: Int, bits: UInt8, column: Int
  ) throws {
    // Rows of zeros at scale 1, in whatever place a type has it; the third row has the code.
    var content: [UInt8] = []
    let zeros = [UInt8](repeating: 0x55, count: Int(columns) / 4)
    let one: [UInt8] = [0x00, 0x3c]
    let oneFloat: [UInt8] = [0, 0, 0x80, 0x3f]
    for row in 0..<3 {
      var codes = zeros
      let start = [42: 2, 142: 2, 135: 4][type] ?? 0
      if row == 2 { codes[place - start] |= bits }
      switch type {
      case 35: content += codes + one
      case 36: content += codes
      case 135: content += oneFloat + codes
      default: content += one + codes
      }
    }
    if type == 36 { content += oneFloat + [UInt8](repeating: 0, count: 28) }
    #expect(type == 36 ? content.count == 3 * 32 + 32 : content.count == 3 * size)
    let file = try GGUFFile(
      bytes: HandMadeGGUF.one([columns, 3], type: type, content).bytes, source: "f",
      options: GGUFOptions(q2BlockLength: 64))
    let tensor = try file.codedTensor("t")
    #expect(try tensor.rows(0..<2).codes.allSatisfy { $0 == 0 })
    let error = #expect(throws: InputError.self) { try tensor.rows(1..<3) }
    #expect(
      error?.description
        == #"f, tensor "t": found the code +2 in row 2, column \#(column), expected -1, 0 or +1"#)
    #expect(try file.values("t", rows: 2..<3)[column] == 2)
  }

  @Test func quantizesFloatsByTheRulesOfGGML() throws {
    // Q1_0: mean of magnitudes, and +1 for zero.
    var values = [Float](repeating: 0, count: 128)
    (values[0], values[1], values[127]) = (64, -128, -64)
    try withTemporaryFolder { folder in
      let path = folder + "/q.gguf"
      try GGUFWriter.write(
        [
          GGUFEntry("q1", Tensor(values), type: .q1_0),
          GGUFEntry("q2", Tensor(Array(values[0..<64])), type: .q2_0),
          GGUFEntry("pq2", Tensor(values), type: .pq2_0),
          GGUFEntry(
            "tiny", Tensor([Float](repeating: .leastNonzeroMagnitude, count: 256)), type: .tq2_0),
          GGUFEntry("i2", Tensor([Float](repeating: -0.3, count: 128)), type: .i2_s),
        ], metadata: [:], to: path)
      let file = try GGUFFile(path: path)
      let q1 = try file.codedTensor("q1").rows(0..<1)
      #expect(q1.scales == [2])
      #expect((q1.codes[0], q1.codes[1], q1.codes[2], q1.codes[127]) == (1, -1, 1, -1))
      // Half of the greatest magnitude is away from zero.
      #expect(try file.values("q2", rows: 0..<1)[0...1] == [128, -128])
      #expect(try file.values("pq2", rows: 0..<1)[127] == -128)
      #expect(try file.tensor("tiny").scalars.allSatisfy { $0 == 0 })
      #expect(try file.tensor("i2").scalars.allSatisfy { $0 == -0.3 })
    }
  }
}
