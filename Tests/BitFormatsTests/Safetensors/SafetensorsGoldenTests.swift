import BitCore
@testable import BitFiles
import BitFormats
import Foundation
import Testing

@Suite struct SafetensorsGoldenTests {
  static let golden = Result { try Golden.load() }

  /// The one case that the reference accepts (it takes the last entry) and we do not.
  static let stricter = "duplicate_tensor_key"

  @Test func thereAre66Cases() throws {
    #expect(try Self.golden.get().cases.count == 66)
  }

  @Test(arguments: try golden.get().cases)
  func isReadAsByTheReference(golden: Golden.Case) throws {
    try withTemporaryFolder { folder in
      let path = folder + "/\(golden.name).safetensors"
      try AtomicFile.write(to: path) { try $0.write(golden.bytes) }
      if golden.isAccepted && golden.name != Self.stricter {
        let file = try SafetensorsFile(path: path)
        // The reference's listing is sorted by name.
        let tensors = file.tensors.sorted { $0.name < $1.name }.map {
          "\($0.name)\($0.shape)\($0.dtype)"
        }
        #expect("ok:" + tensors.joined(separator: ",") == golden.safe_open)
        let inMemory = try SafetensorsFile(bytes: golden.bytes)
        #expect(inMemory.tensors == file.tensors)
        #expect(inMemory.metadata == file.metadata)
      } else {
        let error = #expect(throws: InputError.self) { try SafetensorsFile(path: path) }
        #expect(error?.kind == .malformed)
        #expect(error?.source.hasPrefix(path) == true)
        #expect(error?.description.contains("\n") == false)
        #expect(throws: InputError.self) { try SafetensorsFile(bytes: golden.bytes) }
      }
    }
  }

  @Test(arguments: [
    ("file_7_bytes", "x: found 7 bytes, expected at least the 8 bytes of a header length"),
    (
      "header_len_u64_max",
      "x: found a header of 18446744073709551615 bytes, "
        + "expected a safetensors header, at most 100000000"
    ),
    (
      "header_len_100MB",
      "x: found a header of 100000000 bytes, expected at most the 2 bytes that follow"
    ),
    ("array_header", "x, header: found an array, expected an object"),
    ("duplicate_tensor_key", #"x, header: found the key "a" twice, expected every key once"#),
    (
      "hole",
      #"x, tensor "b": found data from byte 8, expected 4, without a hole or an overlap"#
    ),
    ("trailing_data", "x: found 5 bytes of data, expected the 4 that its tensors have"),
    ("size_mismatch", #"x, tensor "a": found 8 bytes of data, expected 4 for F32 [1]"#),
    (
      "shape_bytes_overflow",
      #"x, tensor "a": found F32 of shape [9223372036854775807], "#
        + "expected extents whose product fits"
    ),
    (
      "negative_dim",
      #"x, tensor "a": found -1 in shape, expected integers from 0 to 9223372036854775807"#
    ),
    ("missing_offsets", #"x, tensor "a": found no data_offsets, expected one data_offsets"#),
    ("metadata_non_string", #"x, metadata "a": found an integer, expected a string"#),
    ("f4_odd", #"x, tensor "a": found F4 of shape [1], 4 bits, expected whole bytes"#),
  ])
  func saysWhatIsWrong(name: String, message: String) throws {
    let golden = try #require(try Self.golden.get().cases.first { $0.name == name })
    let error = #expect(throws: InputError.self) {
      try SafetensorsFile(bytes: golden.bytes, source: "x")
    }
    #expect(error?.description == message)
  }

  @Test func writesTheExampleOfTheReference() throws {
    let entries = [
      SafetensorsEntry("a_f32", Tensor([1, 1])),
      SafetensorsEntry("z_u8", [0, 0, 0], shape: [3], dtype: .u8),
      SafetensorsEntry("b_f16", Tensor([1]), dtype: .f16),
      SafetensorsEntry("m_i64", [1], shape: [1], dtype: .i64),
    ]
    try withTemporaryFolder { folder in
      let path = folder + "/file.safetensors"
      try SafetensorsWriter.write(entries, metadata: ["format": "np"], to: path)
      #expect(try bytes(ofFile: path) == bytes(hex: Self.golden.get().writer_example.hex))
    }
  }

  /// Every element type that the reference's Python binding writes, and names that sort
  /// differently by bytes, by UTF-16 units and by normalized text.
  @Test func writesInTheOrderOfTheReference() throws {
    let json = try JSONValue(parsing: Array(try Golden.data("safetensors_writer_order.json")))
    let expected = bytes(hex: try #require(json["hex"]?.stringValue))
    let file = try SafetensorsFile(bytes: expected)
    #expect(file.tensors.count == 25)
    let entries = try file.tensors.sorted { $0.name < $1.name }.map { tensor in
      SafetensorsEntry(
        tensor.name, dtype: tensor.dtype, shape: tensor.shape,
        bytes: try file.withUnsafeBytes(of: tensor.name) { Array($0) })
    }
    try withTemporaryFolder { folder in
      try SafetensorsWriter.write(entries, metadata: file.metadata, to: folder + "/file")
      #expect(try bytes(ofFile: folder + "/file") == expected)
    }
  }
}
