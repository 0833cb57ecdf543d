import BitCore
import BitFormats
import Testing

/// Which type a number stands for, and what is refused when values are asked for.
@Suite struct GGUFTypeTests {
  @Test func listsUnknownTypesAndRefusesTheirValues() throws {
    var made = HandMadeGGUF()
    made.add("a", [100], type: 999, [UInt8](repeating: 1, count: 70))
    made.add("b", [1], type: 0, [0, 0, 128, 63])
    made.add("q", [256], type: 12, [UInt8](repeating: 1, count: 144))
    made.add("z", [3, 5], type: 5, [1, 2, 3])
    let file = try GGUFFile(bytes: made.bytes, source: "f")
    #expect(file.tensors.map(\.type.name) == ["type 999", "F32", "Q4_K", "type 5"])
    #expect(file.tensors[0].type.blockLength == nil)
    #expect(file.tensors[0].byteRange.upperBound == file.tensors[1].byteRange.lowerBound)
    #expect(file.tensors[3].byteRange.upperBound == made.bytes.count)
    #expect(try file.tensor("b").scalars == [1])
    for (name, type) in [("a", "type 999"), ("q", "Q4_K"), ("z", "type 5")] {
      let error = #expect(throws: InputError.self) { try file.tensor(name) }
      #expect(error?.kind == .unsupported)
      #expect(error?.source == #"f, tensor "\#(name)""#)
      #expect(error?.found == type)
      let codes = #expect(throws: InputError.self) { try file.codedTensor(name) }
      #expect(codes?.kind == .mismatch)
    }
  }

  /// bitnet.cpp's numbers are those of other types elsewhere.
  @Test func tellsTheForksApart() throws {
    func names(
      _ pairs: [(String, UInt32, [UInt8])], _ types: [UInt32], bytes: Int = 18
    ) throws -> [String] {
      var made = HandMadeGGUF()
      made.pairs = pairs.map { (key: $0.0, type: $0.1, value: $0.2) }
      // 32 elements: 17 bytes of MXFP4, 18 of the removed types, all padded to 32; 40 of TL1.
      for type in types {
        made.add("t\(type)", [32], type: type, [UInt8](repeating: 0, count: bytes))
      }
      return try GGUFFile(bytes: made.bytes).tensors.map(\.type.name)
    }
    let bitnet = ("general.architecture", UInt32(8), HandMadeGGUF.string("bitnet-b1.58"))
    let llama = ("general.architecture", UInt32(8), HandMadeGGUF.string("llama"))
    func fileType(_ value: UInt32) -> (String, UInt32, [UInt8]) {
      ("general.file_type", 4, HandMadeGGUF.little(value))
    }
    #expect(try names([bitnet], [37, 38, 39]) == ["I8_S", "TL1", "TL2"])
    #expect(try names([llama], [37, 38, 39]) == ["IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4"])
    #expect(try names([llama, fileType(38)], [39]) == ["MXFP4"])
    // File types 38 to 40 have two meanings as well, so sizes decide.
    for value in [38, 39, 40] as [UInt32] {
      let pairs = [llama, fileType(value)]
      #expect(try names(pairs, [39, 38]) == ["MXFP4", "IQ4_NL_8_8"])
      #expect(try names(pairs, [38, 37], bytes: 40) == ["TL1", "I8_S"])
      #expect(try names(pairs, [39, 38], bytes: 40) == ["TL2", "TL1"])
    }
    let error = #expect(throws: InputError.self) { try names([llama], [39, 38], bytes: 40) }
    #expect(error?.found == "offset 64")
  }

  /// Number 36 is I2_S unless only the type that had the number before fits.
  @Test func type36GoesByTheOffsets() throws {
    var old = HandMadeGGUF()
    old.add("a", [256], type: 36, [UInt8](repeating: 0, count: 144))
    old.add("b", [8], type: 0, [UInt8](repeating: 0, count: 32))
    #expect(try GGUFFile(bytes: old.bytes).tensors[0].type.name == "IQ4_NL_4_4")
    var new = HandMadeGGUF()
    new.add("a", [256], type: 36, [UInt8](repeating: 0x55, count: 96))
    new.add("b", [8], type: 0, [UInt8](repeating: 0, count: 32))
    #expect(try GGUFFile(bytes: new.bytes).tensors[0].type == .i2_s)
    // 40 is I2_S to bitnet.cpp and Q1_0 to llama.cpp.
    old.pairs = [("general.file_type", 4, HandMadeGGUF.little(UInt32(40)))]
    #expect(try GGUFFile(bytes: old.bytes).tensors[0].type.name == "IQ4_NL_4_4")
    old.pairs = [("general.architecture", 8, HandMadeGGUF.string("bitnet"))]
    let error = #expect(throws: InputError.self) { try GGUFFile(bytes: old.bytes) }
    #expect(error?.found == "offset 160")
  }

  /// Number 42 with blocks of 64 (18 bytes) or 128 (34 bytes).
  @Test func type42GoesByTheOffsets() throws {
    func file(_ block: Int, rows: Int64, isLast: Bool) -> HandMadeGGUF {
      var made = HandMadeGGUF()
      let size = 1024 * Int(rows) / block * (block / 4 + 2)
      if isLast { made.add("b", [8], type: 0, [UInt8](repeating: 0, count: 32)) }
      made.add("a", [1024, rows], type: 42, [UInt8](repeating: 0x3c, count: size))
      if !isLast { made.add("b", [8], type: 0, [UInt8](repeating: 0, count: 32)) }
      return made
    }
    for isLast in [true, false] {
      for block in [64, 128] {
        let read = try GGUFFile(bytes: file(block, rows: 3, isLast: isLast).bytes)
        let type = try #require(read["a"]).type
        #expect(type == (block == 64 ? .q2_0 : .q2_0Block128))
        #expect(type.id == 42)
        #expect(type.blockLength == block)
      }
    }
    // Told which, and wrong.
    let told = #expect(throws: InputError.self) {
      try GGUFFile(
        bytes: file(64, rows: 3, isLast: false).bytes, options: GGUFOptions(q2BlockLength: 128))
    }
    #expect(told?.kind == .malformed)
    // Tensors of which some fit one and some the other.
    var mixed = file(64, rows: 3, isLast: false)
    mixed.add("c", [1024, 3], type: 42, [UInt8](repeating: 0x3c, count: 816))
    mixed.add("d", [8], type: 0, [UInt8](repeating: 0, count: 32))
    #expect(throws: InputError.self) { try GGUFFile(bytes: mixed.bytes) }
  }

  /// 128 elements take 36 or 34 bytes, 64 with padding: only what is in the padding can tell.
  @Test func type42ThatFitsBothIsRefused() throws {
    let content = [UInt8](repeating: 0x3c, count: 36)
    let clear = try GGUFFile(bytes: HandMadeGGUF.one([128], type: 42, content).bytes)
    #expect(clear.tensors[0].type == .q2_0)
    let unclear = HandMadeGGUF.one([128], type: 42, Array(content[0..<34])).bytes
    let error = #expect(throws: InputError.self) { try GGUFFile(bytes: unclear, source: "f") }
    #expect(error?.kind == .unsupported)
    #expect(error?.found == "Q2_0 that fits blocks of 64 and of 128")
    for length in [64, 128] {
      let options = GGUFOptions(q2BlockLength: length)
      let told = try GGUFFile(bytes: unclear, options: options)
      #expect(told.tensors[0].type.blockLength == length)
    }
  }

  @Test func rotatedWeightsAreNotRead() throws {
    var made = HandMadeGGUF.one([1], type: 0, [0, 0, 128, 63])
    made.add("q", [128], type: 142, [UInt8](repeating: 0, count: 34))
    made.pairs = [("prism.hadamard.block_size", 4, HandMadeGGUF.little(UInt32(128)))]
    let file = try GGUFFile(bytes: made.bytes, source: "f")
    #expect(file.tensors.count == 2)
    for read in [
      { _ = try file.tensor("t") }, { _ = try file.codedTensor("q") },
      { _ = try file.packedMatrix("q") }, { _ = try file.values("q", rows: 0..<1) },
    ] as [() throws -> Void] {
      let error = #expect(throws: InputError.self, performing: read)
      #expect(error?.kind == .unsupported)
      #expect(
        error?.description
          == #"f: found the key "prism.hadamard.block_size", expected weights that are not rotated; "#
          + "this reader has no Hadamard transform")
    }
  }

  @Test func theLayoutOfI2_SGoesByKeyAndSize() throws {
    let codes = randomCodes(192, seed: 3)
    let tensor = try CodedTensor(
      codes: codes, rows: 3, columns: 64, scaleKind: .tensor, scales: [0.3], source: "codes")
    var made = HandMadeGGUF.one([64, 3], type: 36, try tensor.ggufBytes(.i2_s, i2sLayout: .arm))
    // 192 is no multiple of 128.
    let bySize = try GGUFFile(bytes: made.bytes, source: "f")
    #expect(bySize.i2sLayout == .arm)
    #expect(try bySize.codedTensor("t").rows(0..<3).codes == codes)
    #expect(try bySize.codedTensor("t").rows(1..<2).codes == Array(codes[64..<128]))
    let told = try GGUFFile(
      bytes: made.bytes, source: "f", options: GGUFOptions(i2sLayout: .x86))
    let error = #expect(throws: InputError.self) { try told.codedTensor("t") }
    #expect(
      error?.description
        == #"f, tensor "t": found 192 elements of I2_S, "#
        + "expected a multiple of 128 for the layout x86-128")
    for (key, layout) in [("x86-128", I2SLayout.x86), ("arm-64", .arm)] {
      made.pairs = [(I2SLayout.metadataKey, 8, HandMadeGGUF.string(key))]
      #expect(try GGUFFile(bytes: made.bytes).i2sLayout == layout)
    }
    made.pairs = [(I2SLayout.metadataKey, 8, HandMadeGGUF.string("mips"))]
    #expect(throws: InputError.self) { try GGUFFile(bytes: made.bytes) }
  }

  /// Rows that share a block of I2_S are read all the same.
  @Test func rowsThatAreNoBlocks() throws {
    let codes = randomCodes(256, seed: 4)
    let flat = try CodedTensor(
      codes: codes, rows: 1, columns: 256, scaleKind: .tensor, scales: [2], source: "codes")
    let made = HandMadeGGUF.one([64, 4], type: 36, try flat.ggufBytes(.i2_s))
    let file = try GGUFFile(bytes: made.bytes)
    let tensor = try file.codedTensor("t")
    #expect(try tensor.rows(0..<4).codes == codes)
    for row in 0..<4 {
      #expect(try tensor.rows(row..<row + 1).codes == Array(codes[64 * row..<64 * row + 64]))
    }
    #expect(try file.values("t", rows: 3..<4) == codes[192...].map { 2 * Float($0) })
  }
}
