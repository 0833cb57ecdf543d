import BitCore
import BitFormats
import Foundation
import Testing

/// What a file may not have, one hand-made file each.
@Suite struct GGUFLimitTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let file: HandMadeGGUF
    let kind: InputError.Kind
    let message: String

    init(
      _ name: String, _ message: String, _ kind: InputError.Kind = .malformed,
      _ change: (inout HandMadeGGUF) -> Void
    ) {
      var file = HandMadeGGUF()
      change(&file)
      (testDescription, self.file, self.kind, self.message) = (name, file, kind, message)
    }
  }

  static func tensor(_ extents: [Int64], type: UInt32 = 0, offset: UInt64 = 0) -> HandMadeGGUF.Info
  {
    HandMadeGGUF.Info(name: "t", extents: extents, type: type, offset: offset)
  }

  static func u32(_ value: UInt32) -> [UInt8] { HandMadeGGUF.little(value) }
  static func u64(_ value: UInt64) -> [UInt8] { HandMadeGGUF.little(value) }

  static let header = [
    Case("magic", "f: found the bytes 47 47 4d 4c, expected GGUF (47 47 55 46)") {
      $0.magic = Array("GGML".utf8)
    },
    Case("version 0", "f: found version 0, expected version 2 or 3", .unsupported) {
      $0.version = 0
    },
    Case("version 1", "f: found version 1, expected version 2 or 3", .unsupported) {
      $0.version = 1
    },
    Case("version 4", "f: found version 4, expected version 2 or 3", .unsupported) {
      $0.version = 4
    },
    Case(
      "big-endian",
      "f: found a big-endian file, expected a little-endian one, as all common machines write",
      .unsupported
    ) { $0.version = UInt32(3).byteSwapped },
    Case("tensors", "f: found 65537 tensors, expected at most 65536") { $0.tensorCount = 65_537 },
    Case("negative tensors", "f: found -1 tensors, expected at most 65536") {
      $0.tensorCount = .max
    },
    Case("pairs", "f: found 65537 key-value pairs, expected at most 65536") {
      $0.pairCount = 65_537
    },
    Case("negative pairs", "f: found -9223372036854775808 key-value pairs, expected at most 65536")
    {
      $0.pairCount = 1 << 63
    },
    Case(
      "pairs that are not there",
      "f: found 0 bytes from byte 24 to the end of the file, expected 8 of the number of bytes of a key"
    ) { $0.pairCount = 1 },
  ]

  static let metadata = [
    Case("empty key", #"f, key "": found an empty key, expected a key"#) {
      $0.pairs = [("", 0, [1])]
    },
    Case("duplicate key", #"f, key "a": found the key twice, expected every key once"#) {
      $0.pairs = [("a", 0, [1]), ("a", 0, [1])]
    },
    Case("long key", "f: found 65537 bytes of a key, expected at most 65536") {
      $0.pairs = [(String(repeating: "k", count: 65_537), 0, [1])]
    },
    Case("type of a value", #"f, key "a": found value type 13, expected a type from 0 to 12"#) {
      $0.pairs = [("a", 13, [1])]
    },
    Case("truth value", #"f, key "a": found the truth value 2, expected 0 or 1"#) {
      $0.pairs = [("a", 7, [2])]
    },
    Case("truth values", #"f, key "a": found the truth value 3, expected 0 or 1"#) {
      $0.pairs = [("a", 9, u32(7) + u64(2) + [1, 3])]
    },
    Case(
      "long string", #"f, key "a": found 16777217 bytes of a string, expected at most 16777216"#
    ) { $0.pairs = [("a", 8, u64(16_777_217) + [65])] },
    Case(
      "string beyond the file",
      #"f, key "a": found 1 bytes from byte 45 to the end of the file, expected 16777216 of a string"#
    ) { $0.pairs = [("a", 8, u64(16_777_216) + [65])] },
    Case("negative string", #"f, key "a": found -1 bytes of a string, expected at most 16777216"#) {
      $0.pairs = [("a", 8, u64(.max))]
    },
    Case(
      "not UTF-8", #"f, key "a": found a string at byte 45 that is not UTF-8, expected UTF-8"#
    ) { $0.pairs = [("a", 8, u64(2) + [0xc3, 0x28])] },
    Case("type of elements", #"f, key "a": found element type 99, expected a type from 0 to 12"#) {
      $0.pairs = [("a", 9, u32(99) + u64(.max))]
    },
    Case(
      "nested array", #"f, key "a": found an array of arrays, expected an array of values"#,
      .unsupported
    ) { $0.pairs = [("a", 9, u32(9) + u64(1) + u32(0) + u64(1) + [7])] },
    Case(
      "long array",
      #"f, key "a": found 268435457 elements of type uint8, expected at most 268435456"#
    ) { $0.pairs = [("a", 9, u32(0) + u64(268_435_457))] },
    Case(
      "array whose bytes overflow",
      #"f, key "a": found 2305843009213693953 elements of type uint64, expected at most 33554432"#
    ) { $0.pairs = [("a", 9, u32(10) + u64(1 << 61 + 1))] },
    Case(
      "array beyond the file",
      #"f, key "a": found 3 bytes from byte 49 to the end of the file, expected 4 of array elements"#
    ) { $0.pairs = [("a", 9, u32(4) + u64(1) + [1, 2, 3])] },
    Case(
      "strings", #"f, key "a": found 4194305 strings in arrays, expected at most 4194304"#
    ) { $0.pairs = [("a", 9, u32(8) + u64(4_194_305))] },
    Case(
      "alignment type",
      #"f, key "general.alignment": found uint64 32, expected uint32, a power of two from 8 to 1048576"#
    ) { $0.pairs = [("general.alignment", 10, u64(32))] },
  ]

  static let alignments = ([0, 1, 4, 24, 33, 1 << 21, .max] as [UInt32]).map { value in
    Case(
      "alignment \(value)",
      #"f, key "general.alignment": found uint32 \#(value), "#
        + "expected uint32, a power of two from 8 to 1048576"
    ) { $0.pairs = [("general.alignment", 4, u32(value))] }
  }

  static let tensors = [
    Case("duplicate tensor", #"f, tensor "t": found the name twice, expected every name once"#) {
      $0.infos = [tensor([8]), tensor([8], offset: 32)]
      $0.data = [UInt8](repeating: 0, count: 64)
    },
    Case("long name", "f: found 65537 bytes of a tensor's name, expected at most 65536") {
      $0.infos = [
        HandMadeGGUF.Info(
          name: String(repeating: "t", count: 65_537), extents: [1], type: 0, offset: 0)
      ]
    },
    Case("no dimensions", #"f, tensor "t": found 0 dimensions, expected 1 to 4"#) {
      $0.infos = [tensor([])]
    },
    Case("five dimensions", #"f, tensor "t": found 5 dimensions, expected 1 to 4"#) {
      $0.infos = [tensor([1, 1, 1, 1, 1])]
    },
    Case(
      "no extent",
      #"f, tensor "t": found the extent 0, expected extents from 1, "#
        + "whose product is at most 9223372036854775807"
    ) { $0.infos = [tensor([8, 0])] },
    Case(
      "negative extent",
      #"f, tensor "t": found the extent -8, expected extents from 1, "#
        + "whose product is at most 9223372036854775807"
    ) { $0.infos = [tensor([-8])] },
    Case(
      "product of extents",
      #"f, tensor "t": found the extent 2147483648, expected extents from 1, "#
        + "whose product is at most 9223372036854775807"
    ) { $0.infos = [tensor([1 << 31, 1 << 31, 1 << 31])] },
    Case(
      "bytes of a tensor",
      #"f, tensor "t": found F32 of shape [2305843009213693952], "#
        + "expected at most 9223372036854775807 bytes"
    ) { $0.infos = [tensor([1 << 61])] },
    Case(
      "rows of blocks",
      #"f, tensor "t": found rows of 128 elements, expected a multiple of the 256 of a block of TQ1_0"#
    ) { $0.infos = [tensor([128, 2], type: 34)] },
    Case(
      "data that is not there",
      #"f, tensor "t": found 31 bytes of data, expected 32 for F32 [8]"#
    ) {
      $0.infos = [tensor([8])]
      $0.data = [UInt8](repeating: 0, count: 31)
    },
    Case(
      "offset beyond the file",
      #"f, tensor "t": found offset 64, expected 0, where the tensor before it ends"#
    ) { $0.infos = [tensor([8], offset: 64)] },
    Case("offset", #"f, tensor "t": found offset 8, expected a multiple of the alignment 32"#) {
      $0.infos = [tensor([8], offset: 8)]
      $0.data = [UInt8](repeating: 0, count: 64)
    },
    Case(
      "great offset",
      #"f, tensor "t": found offset 18446744073709551584, expected a multiple of the alignment 32"#
    ) { $0.infos = [tensor([8], offset: .max - 31)] },
    Case(
      "overlap",
      #"f, tensor "u": found offset 32, expected 64, where the tensor before it ends"#
    ) {
      $0.infos = [
        tensor([9]), HandMadeGGUF.Info(name: "u", extents: [1], type: 0, offset: 32),
      ]
      $0.data = [UInt8](repeating: 0, count: 128)
    },
    Case(
      "hole", #"f, tensor "u": found offset 64, expected 32, where the tensor before it ends"#
    ) {
      $0.infos = [
        tensor([8]), HandMadeGGUF.Info(name: "u", extents: [1], type: 0, offset: 64),
      ]
      $0.data = [UInt8](repeating: 0, count: 128)
    },
    Case("overlap with an unknown type", #"f, tensor "u": found offset 0, expected 32 or more"#) {
      $0.infos = [
        tensor([9], type: 99), HandMadeGGUF.Info(name: "u", extents: [1], type: 0, offset: 0),
      ]
      $0.data = [UInt8](repeating: 0, count: 128)
    },
    Case(
      "offset beyond the file after an unknown type",
      #"f, tensor "u": found offset 192, expected at most the 128 bytes of data in the file"#
    ) {
      $0.infos = [
        tensor([9], type: 99), HandMadeGGUF.Info(name: "u", extents: [1], type: 0, offset: 192),
      ]
      $0.data = [UInt8](repeating: 0, count: 128)
    },
    Case(
      "unknown type at the end", #"f, tensor "t": found 0 bytes of data, expected at least one"#
    ) { $0.infos = [tensor([9], type: 99)] },
  ]

  @Test(arguments: header + metadata + alignments + tensors)
  func refuses(_ test: Case) {
    let error = #expect(throws: InputError.self) {
      try GGUFFile(bytes: test.file.bytes, source: "f")
    }
    #expect(error?.description == test.message)
    #expect(error?.kind == test.kind)
  }

  /// A file of 300 MB that takes no room on the disk, and whose metadata would have as much.
  @Test func limitsTheHeader() throws {
    var file = HandMadeGGUF()
    file.pairs = [("a", 9, Self.u32(0) + Self.u64(256 << 20))]
    try withTemporaryFolder { folder in
      let path = folder + "/big.gguf"
      try Data(file.bytes).write(to: URL(fileURLWithPath: path))
      let handle = try #require(FileHandle(forWritingAtPath: path))
      try handle.truncate(atOffset: 300 << 20)
      try handle.close()
      let error = #expect(throws: InputError.self) { try GGUFFile(path: path) }
      #expect(
        error?.description
          == #"\#(path), key "a": found a header of more than 268435456 bytes, "#
          + "expected at most 268435456 before the data")
    }
  }

  @Test(arguments: [2, 3] as [UInt32]) func readsBothVersions(version: UInt32) throws {
    var made = HandMadeGGUF.one([2], type: 0, [0, 0, 128, 63, 0, 0, 0, 64])
    made.version = version
    made.pairs = [("empty", 8, HandMadeGGUF.string("")), ("none", 9, Self.u32(8) + Self.u64(0))]
    let file = try GGUFFile(bytes: made.bytes)
    #expect(file.version == Int(version))
    #expect(try file.tensor("t").scalars == [1, 2])
    #expect(file.metadata["empty"] == .string(""))
    #expect(file.metadata["none"] == .array(.string([])))
  }

  @Test func readsAFileOfNothing() throws {
    let file = try GGUFFile(bytes: HandMadeGGUF().bytes)
    #expect(file.tensors.isEmpty)
    #expect(file.metadata.count == 0)
    #expect(file["t"] == nil)
    let error = #expect(throws: InputError.self) { try file.tensor("t") }
    #expect(error?.kind == .missing)
  }

  @Test(arguments: [8, 64, 1024, 1 << 20] as [UInt32]) func readsAnyAlignment(_ value: UInt32)
    throws
  {
    var made = HandMadeGGUF()
    made.alignment = Int(value)
    made.pairs = [("general.alignment", 4, Self.u32(value))]
    made.add("a", [1], type: 0, [0, 0, 128, 63])
    made.add("b", [1], type: 0, [0, 0, 0, 64])
    let file = try GGUFFile(bytes: made.bytes)
    #expect(try file.tensor("a").scalars + file.tensor("b").scalars == [1, 2])
    #expect(file.tensors[1].byteRange.lowerBound.isMultiple(of: Int(value)))
  }
}
