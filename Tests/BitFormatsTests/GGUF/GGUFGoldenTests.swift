import BitCore
import BitFormats
import Foundation
import Testing

/// Files that PyPI's gguf wrote, and what it reads from them.
@Suite struct GGUFGoldenTests {
  static let files = ["tensors.gguf", "tensors_align64.gguf"]

  struct Expected: Decodable {
    struct Entry: Decodable {
      let type: String
      let type_id: UInt32
      let numpy_shape: [Int]
      let nbytes: Int
      let ne: [Int]
      let absolute_offset_tensorsgguf: Int
      let absolute_offset_tensors_align64gguf: Int

      enum CodingKeys: String, CodingKey {
        case type, type_id, numpy_shape, nbytes, ne
        case absolute_offset_tensorsgguf = "absolute_offset_tensors.gguf"
        case absolute_offset_tensors_align64gguf = "absolute_offset_tensors_align64.gguf"
      }
    }

    let tensors: [String: Entry]

    static func load() throws -> Expected {
      try JSONDecoder().decode(Expected.self, from: Golden.data("gguf/tensors.json"))
    }
  }

  @Test(arguments: files) func listsWhatTheReferenceLists(name: String) throws {
    let file = try GGUFGolden.file(name)
    let expected = try Expected.load().tensors
    #expect(file.version == 3)
    #expect(file.alignment == (name == "tensors.gguf" ? 32 : 64))
    #expect(Set(file.tensors.map(\.name)) == Set(expected.keys))
    for tensor in file.tensors {
      let entry = try #require(expected[tensor.name])
      #expect(tensor.type.name == entry.type)
      #expect(tensor.type.id == entry.type_id)
      #expect(tensor.shape == entry.numpy_shape)
      #expect(tensor.shape == entry.ne.reversed())
      #expect(tensor.byteRange.count == entry.nbytes)
      #expect(
        tensor.byteRange.lowerBound
          == (name == "tensors.gguf"
            ? entry.absolute_offset_tensorsgguf : entry.absolute_offset_tensors_align64gguf))
    }
  }

  @Test(arguments: files) func readsEveryTypeOfMetadata(name: String) throws {
    let metadata = try GGUFGolden.file(name).metadata
    var expected: [(String, GGUFValue)] = [
      ("general.architecture", .string("bitnet-b1.58"))
    ]
    if name != "tensors.gguf" { expected.append(("general.alignment", .uint32(64))) }
    expected += [
      ("t.u8", .uint8(255)), ("t.i8", .int8(-128)), ("t.u16", .uint16(65535)),
      ("t.i16", .int16(-32768)), ("t.u32", .uint32(4_294_967_295)),
      ("t.i32", .int32(-2_147_483_648)), ("t.u64", .uint64(.max)), ("t.i64", .int64(.min)),
      ("t.f32", .float32(0.1)), ("t.f64", .float64(0.1)), ("t.true", .bool(true)),
      ("t.false", .bool(false)), ("t.str", .string("héllo 🦙")),
      ("t.arr_str", .array(.string(["a", "", "ĠthĊ"]))), ("t.arr_i32", .array(.int32([1, -2, 3]))),
      ("t.arr_f32", .array(.float32([0.5, -1.25]))), ("t.arr_bool", .array(.bool([true, false]))),
    ]
    #expect(metadata.entries.map(\.key) == expected.map(\.0))
    for (entry, expected) in zip(metadata.entries, expected) {
      #expect(entry.value == expected.1, "\(entry.key)")
    }
  }

  @Test(arguments: files) func dequantizesTheSameBits(name: String) throws {
    let file = try GGUFGolden.file(name)
    let expected = try GGUFGolden.safetensors("tensors_expected.safetensors")
    for tensor in file.tensors {
      let values = try file.tensor(tensor.name)
      let reference = try expected.tensor(tensor.name)
      #expect(values.shape == reference.shape)
      #expect(bits(values.scalars) == bits(reference.scalars), "\(tensor.name)")
      // Row by row too.
      var rows: [Float] = []
      for row in 0..<tensor.rows { rows += try file.values(tensor.name, rows: row..<row + 1) }
      #expect(bits(rows) == bits(reference.scalars), "\(tensor.name)")
    }
  }

  /// The whole of both files, from their metadata and the sources of their tensors.
  @Test(arguments: files) func writesTheSameFile(name: String) throws {
    let file = try GGUFGolden.file(name)
    let sources = try GGUFGolden.safetensors("tensors_expected.safetensors")
    var entries: [GGUFEntry] = []
    for tensor in file.tensors {
      if tensor.type == .q6_k {
        entries.append(
          GGUFEntry(
            tensor.name, type: .q6_k, shape: tensor.shape,
            bytes: try data(of: tensor.name, in: file)
          ))
      } else {
        let source = try sources.tensor(tensor.name + ".source")
        entries.append(GGUFEntry(tensor.name, source, type: tensor.type))
      }
    }
    try withTemporaryFolder { folder in
      try GGUFWriter.write(entries, metadata: file.metadata, to: folder + "/out.gguf")
      #expect(try bytes(ofFile: folder + "/out.gguf") == GGUFGolden.bytes(name))
      #expect(try names(in: folder) == ["out.gguf"])
    }
  }

  @Test func codesOfTheTernaryTensorsMultiplyToTheirValues() throws {
    let file = try GGUFGolden.file("tensors.gguf")
    for name in ["tern.tq1_0", "tern.tq2_0", "half.tq1_0", "mat.tq2_0"] {
      let coded = try file.codedTensor(name)
      #expect(coded.scaleKind == .block(columns: 256))
      #expect(coded.alphabet == .ternary)
      let values = try file.tensor(name).scalars
      #expect(bits(try coded.values(0..<coded.rows)) == bits(values))
      #expect(try coded.packedMatrix().values.scalars == values)
    }
  }

  /// A path and bytes give the same, and a copy of nothing.
  @Test func mapsAFile() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/model.gguf"
      try Data(GGUFGolden.bytes("tensors.gguf")).write(to: URL(fileURLWithPath: path))
      let file = try GGUFFile(path: path)
      #expect(file.source == path)
      #expect(file.tensors == (try GGUFGolden.file("tensors.gguf").tensors))
      let missing = #expect(throws: InputError.self) { try GGUFFile(path: folder + "/none") }
      #expect(missing?.kind == .missing)
    }
  }
}
