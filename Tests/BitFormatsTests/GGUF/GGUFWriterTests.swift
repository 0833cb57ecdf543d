import BitCore
@testable import BitFiles
import BitFormats
import Testing

@Suite struct GGUFWriterTests {
  static let metadata: GGUFMetadata = [
    "a": .uint8(1), "b": .int8(-1), "c": .uint16(2), "d": .int16(-2), "e": .uint32(3),
    "f": .int32(-3), "g": .uint64(.max), "h": .int64(.min), "i": .float32(0.1), "j": .float64(0.1),
    "k": .bool(true), "l": .string("é\u{0}"), "m": .string(""),
    "n": .array(.uint8([1, 2])), "o": .array(.int8([-1])), "p": .array(.uint16([])),
    "q": .array(.int16([-2, 2])), "r": .array(.uint32([3])), "s": .array(.int32([-3])),
    "t": .array(.uint64([.max])), "u": .array(.int64([.min])), "v": .array(.float32([0.1, -0.0])),
    "w": .array(.float64([0.1])), "x": .array(.bool([true, false])),
    "y": .array(.string(["", "é", "🦙"])),
  ]

  @Test(arguments: [nil, 8, 64, 4096] as [UInt32?])
  func whatIsWrittenIsRead(alignment: UInt32?) throws {
    var metadata = Self.metadata
    metadata["general.alignment"] = alignment.map { .uint32($0) }
    let entries = [
      GGUFEntry("scalar", Tensor([1.5]).reshaped([])),
      GGUFEntry("odd", Tensor([1, 2, 3, 4, 5, 6]).reshaped([1, 2, 3]), type: .f16),
      GGUFEntry("raw", type: .i2_s, shape: [1, 128], bytes: [UInt8](repeating: 85, count: 64)),
      GGUFEntry("pieces", type: .f32, shape: [3]) { (writer) throws(InputError) in
        for _ in 0..<3 { try writer.write([0, 0, 128, 63]) }
      },
    ]
    try withTemporaryFolder { folder in
      let path = folder + "/m.gguf"
      try GGUFWriter.write(entries, metadata: metadata, to: path)
      let file = try GGUFFile(path: path)
      #expect(file.metadata == metadata)
      #expect(file.metadata.entries.map(\.key) == metadata.entries.map(\.key))
      #expect(file.alignment == Int(alignment ?? 32))
      #expect(file.tensors.map(\.name) == ["scalar", "odd", "raw", "pieces"])
      #expect(file.tensors.map(\.shape) == [[1], [1, 2, 3], [1, 128], [3]])
      #expect(try file.tensor("scalar").scalars == [1.5])
      #expect(try file.tensor("odd").scalars == [1, 2, 3, 4, 5, 6])
      #expect(try file.tensor("pieces").scalars == [1, 1, 1])
      #expect(try bytes(ofFile: path).count.isMultiple(of: file.alignment))
      // The same again gives the same bytes.
      let again = folder + "/n.gguf"
      try GGUFWriter.write(entries, metadata: file.metadata, to: again)
      #expect(try bytes(ofFile: again) == bytes(ofFile: path))
    }
  }

  @Test func writesNothing() throws {
    try withTemporaryFolder { folder in
      try GGUFWriter.write([], metadata: [:], to: folder + "/m.gguf")
      #expect(try bytes(ofFile: folder + "/m.gguf") == HandMadeGGUF().bytes)
    }
  }

  /// Rows in pieces of a million elements: the joints do not show.
  @Test func streamsInPieces() throws {
    let (rows, columns) = (4100, 256)
    let codes = randomCodes(rows * columns, seed: 12)
    let tensor = try CodedTensor(
      codes: codes, rows: rows, columns: columns, scaleKind: .tensor, scales: [0.75], source: "w")
    try withTemporaryFolder { folder in
      let path = folder + "/m.gguf"
      try GGUFWriter.write(
        [
          GGUFEntry("i2", tensor, type: .i2_s), GGUFEntry("tq", tensor, type: .tq2_0),
          GGUFEntry(
            "f", try Tensor(tensor.values(0..<rows)).reshaped([rows, columns]), type: .tq2_0),
        ], metadata: [:], to: path)
      let file = try GGUFFile(path: path)
      #expect(try data(of: "i2", in: file) == tensor.ggufBytes(.i2_s))
      #expect(try data(of: "tq", in: file) == tensor.ggufBytes(.tq2_0))
      #expect(try data(of: "f", in: file) == data(of: "tq", in: file))
      #expect(
        try file.codedTensor("tq").rows(4095..<4098).codes == Array(codes[4095 * 256..<4098 * 256]))
    }
  }

  struct Refusal: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let entry: GGUFEntry
    var metadata: GGUFMetadata = [:]
    let message: String
  }

  static let refusals = [
    Refusal(
      testDescription: "name twice", entry: GGUFEntry("first", Tensor([1])),
      message: #", tensor "first": found the name twice, expected every name once"#),
    Refusal(
      testDescription: "long name",
      entry: GGUFEntry(String(repeating: "n", count: 64), Tensor([1])),
      message: #", tensor "\#(String(repeating: "n", count: 64))": "#
        + "found 64 bytes of name, expected at most 63, as ggml reads"),
    Refusal(
      testDescription: "bytes", entry: GGUFEntry("w", type: .f32, shape: [2], bytes: [1, 2, 3]),
      message: #", tensor "w": found 3 bytes of data, expected 8 for F32 [2]"#),
    Refusal(
      testDescription: "extent", entry: GGUFEntry("w", type: .f32, shape: [2, -1], bytes: []),
      message: #", tensor "w": found the extent -1, expected extents from 1, "#
        + "whose product is at most 9223372036854775807"),
    Refusal(
      testDescription: "no extent", entry: GGUFEntry("w", type: .f32, shape: [], bytes: []),
      message: #", tensor "w": found 0 dimensions, expected 1 to 4"#),
    Refusal(
      testDescription: "blocks", entry: GGUFEntry("w", Tensor([1, 2]), type: .q8_0),
      message: #", tensor "w": found rows of 2 elements, "#
        + "expected a multiple of the 32 of a block of Q8_0"),
    Refusal(
      testDescription: "type",
      entry: GGUFEntry("w", Tensor(repeating: 1, shape: [256]), type: .q6_k),
      message: #", tensor "w": found floats to be written as Q6_K, "#
        + "expected F32, F16, BF16, Q8_0, TQ1_0, TQ2_0, Q1_0, Q2_0, PQ2_0 or I2_S"),
    Refusal(
      testDescription: "NaN",
      entry: GGUFEntry(
        "w",
        Tensor([Float](repeating: 1, count: 40) + [.nan] + [Float](repeating: 1, count: 23))
          .reshaped([2, 32]), type: .q8_0),
      message: #", tensor "w": found nan in row 1, column 8, "#
        + "expected finite numbers, to be written as Q8_0"),
    Refusal(
      testDescription: "great numbers",
      entry: GGUFEntry("w", Tensor(repeating: 1e6, shape: [2, 256]), type: .tq1_0),
      message: #", tensor "w": found the scale 1000000.0 in row 0, column 0, "#
        + "expected at most 65504, the greatest half"),
    Refusal(
      testDescription: "not ternary",
      entry: GGUFEntry(
        "w", Tensor([Float](repeating: 0.5, count: 127) + [0.25]), type: .i2_s),
      message: #", tensor "w": found 0.25 in row 0, column 127, "#
        + "expected 0, 0.5 or -0.5: ternary values"),
    Refusal(
      testDescription: "alignment", entry: GGUFEntry("w", Tensor([1])),
      metadata: ["general.alignment": .uint32(20)],
      message: #", key "general.alignment": found uint32 20, "#
        + "expected uint32, a power of two from 8 to 1048576"),
    Refusal(
      testDescription: "empty key", entry: GGUFEntry("w", Tensor([1])), metadata: ["": .bool(true)],
      message: #", key "": found an empty key, expected a key"#),
    Refusal(
      testDescription: "long string", entry: GGUFEntry("w", Tensor([1])),
      metadata: ["s": .string(String(repeating: "s", count: 16 << 20 + 1))],
      message: #", key "s": found 16777217 bytes of a string, expected at most 16777216"#),
  ]

  @Test(arguments: refusals) func leavesTheOldFile(_ test: Refusal) throws {
    try withTemporaryFolder { folder in
      let path = folder + "/m.gguf"
      try AtomicFile.write("old", to: path)
      let error = #expect(throws: InputError.self) {
        try GGUFWriter.write(
          [GGUFEntry("first", Tensor([1, 2])), test.entry], metadata: test.metadata, to: path)
      }
      #expect(error?.description == path + test.message)
      #expect(try bytes(ofFile: path) == Array("old".utf8))
      #expect(try names(in: folder) == ["m.gguf"])
    }
  }

  @Test func metadataIsAnOrderedDictionary() {
    var metadata: GGUFMetadata = ["a": .uint8(1), "b": .uint8(2), "a": .uint8(3)]
    #expect(metadata.entries.map(\.key) == ["a", "b"])
    #expect(metadata["a"] == .uint8(3))
    metadata["c"] = .bool(false)
    metadata["a"] = nil
    #expect(metadata.entries.map(\.key) == ["b", "c"])
    #expect(metadata["c"]?.boolValue == false)
    metadata["none"] = nil
    #expect(metadata.count == 2)
    // The same text to a String, not the same bytes.
    metadata["\u{e9}"] = .uint8(1)
    #expect(metadata["e\u{301}"] == nil)
  }
}
