import BitCore
@testable import BitFiles
import BitFormats
import Testing

@Suite struct SafetensorsErrorTests {
  static let golden = Result { try Golden.load() }
  static let accepted = golden.map { golden in
    golden.cases.filter { $0.isAccepted && $0.name != SafetensorsGoldenTests.stricter }
  }

  @Test(arguments: try accepted.get())
  func everyCutIsAnError(golden: Golden.Case) throws {
    for length in golden.bytes.indices {
      let error = #expect(throws: InputError.self) {
        try SafetensorsFile(bytes: Array(golden.bytes[..<length]), source: "cut")
      }
      #expect(error?.kind == .malformed)
    }
  }

  /// Reads a file as far as it can be read; whatever is wrong must come out as an error.
  static func readAll(_ bytes: [UInt8]) -> Bool {
    guard let file = try? SafetensorsFile(bytes: bytes) else { return false }
    var covered = 0
    for tensor in file.tensors {
      covered += tensor.byteRange.count
      if let values = try? file.tensor(tensor.name), values.count != tensor.count { return false }
      if let values = try? file.integers(tensor.name), values.count != tensor.count {
        return false
      }
    }
    let header = Int(bytes[0]) | Int(bytes[1]) << 8 | Int(bytes[2]) << 16 | Int(bytes[3]) << 24
    #expect(8 + header + covered == bytes.count)
    return true
  }

  @Test(arguments: try accepted.get())
  func everyFlippedByteIsAnErrorOrARead(golden: Golden.Case) {
    var bytes = golden.bytes
    #expect(Self.readAll(bytes))
    for place in bytes.indices {
      for mask: UInt8 in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
        bytes[place] ^= mask
        // A wrong header length can never be right: the data would not be covered.
        if Self.readAll(bytes) && place < 8 {
          Issue.record("byte \(place) ^ \(mask) was accepted")
        }
        bytes[place] ^= mask
      }
    }
  }

  @Test func namesTheFileAndTheMissingTensor() throws {
    let file = try SafetensorsFile(bytes: safetensors("{}"), source: "model.safetensors")
    let message = #"model.safetensors: found no tensor "a\nb", expected a tensor of this name"#
    for read in [
      { _ = try file.tensor("a\nb") }, { _ = try file.integers("a\nb") },
      { try file.withUnsafeBytes(of: "a\nb") { _ in } },
    ] as [() throws -> Void] {
      let error = #expect(throws: InputError.self, performing: read)
      #expect(error?.kind == .missing)
      #expect(error?.description == message)
    }
    #expect(file["a\nb"] == nil)
  }

  @Test func namesTheWrongElementType() throws {
    let header = """
      {"i":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},\
      "f":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[1,2]}}
      """
    let file = try SafetensorsFile(bytes: safetensors(header, data: [1, 2]), source: "m")
    let float = #expect(throws: InputError.self) { try file.tensor("i") }
    #expect(float?.kind == .mismatch)
    #expect(float?.description == #"m, tensor "i": found I8, expected F32, F16, BF16 or F64"#)
    let integer = #expect(throws: InputError.self) { try file.integers("f") }
    #expect(
      integer?.description == #"m, tensor "f": found F8_E4M3, expected an integer type or BOOL"#)
  }

  @Test func namesAnIntegerThatDoesNotFit() throws {
    let header = #"{"u":{"dtype":"U64","shape":[2],"data_offsets":[0,16]}}"#
    let data = [UInt8](repeating: 0, count: 8) + [UInt8](repeating: 255, count: 8)
    let file = try SafetensorsFile(bytes: safetensors(header, data: data), source: "m")
    let error = #expect(throws: InputError.self) { try file.integers("u") }
    #expect(error?.kind == .unsupported)
    #expect(error?.found == "18446744073709551615 as element 1")
  }

  /// Beyond the cases of the reference: what only a hostile file has.
  @Test(arguments: [
    (#"{"a":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}"#, "shape twice"),
    (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}"#, "data_offsets [0, 4, 4]"),
    (#"{"a":{"dtype":"F32","shape":{},"data_offsets":[0,4]}}"#, "an object as shape"),
    (#"{"a":{"dtype":1,"shape":[1],"data_offsets":[0,4]}}"#, "dtype an integer"),
    (#"{"a":[]}"#, "an array"), (#"{"__metadata__":[]}"#, "an array"),
    (
      #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[9223372036854775807,9223372036854775807]}}"#,
      "data_offsets [9223372036854775807, 9223372036854775807]"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}}"#,
      "U8 of shape [9223372036854775807]"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,2],"data_offsets":[0,4]}}"#,
      "4 bytes of data"
    ),
  ])
  func rejectsWhatOnlyAHostileFileHas(header: String, found: String) {
    let error = #expect(throws: InputError.self) {
      try SafetensorsFile(bytes: safetensors(header, data: [0, 0, 0, 0]))
    }
    #expect(error?.kind == .malformed)
    #expect(error?.found == found)
  }

  @Test func limitsTheDepthOfTheHeader() {
    let deep = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
    let header = #"{"a":{"x":"# + deep + "}}"
    let error = #expect(throws: InputError.self) {
      try SafetensorsFile(bytes: safetensors(header), source: "m")
    }
    #expect(
      error?.description
        == "m, header: found nesting of depth 65 at byte 72, expected at most 64")
  }

  @Test func aMissingFileAndAFolderAreNamed() throws {
    try withTemporaryFolder { folder in
      let missing = #expect(throws: InputError.self) { try SafetensorsFile(path: folder + "/n") }
      #expect(missing?.kind == .missing)
      let over = #expect(throws: InputError.self) { try SafetensorsFile(path: folder) }
      #expect(over?.description == "\(folder): found a folder, expected a regular file")
    }
  }
}

@Suite struct SafetensorsWriterErrorTests {
  @Test(
    arguments: [
      (
        [
          SafetensorsEntry("w", Tensor([1])),
          SafetensorsEntry("w", [1], shape: [1], dtype: .u8),
        ],
        #": found the name "w" again, expected every name once, and none __metadata__"#
      ),
      (
        [SafetensorsEntry("__metadata__", Tensor([1]))],
        #": found the name "__metadata__" again, expected every name once, and none __metadata__"#
      ),
      (
        [SafetensorsEntry("w", dtype: .f32, shape: [2], bytes: [1, 2, 3])],
        #", tensor "w": found 3 bytes of data, expected 8 for F32 [2]"#
      ),
      (
        [SafetensorsEntry("w", [1, 2], shape: [3], dtype: .i16)],
        #", tensor "w": found 4 bytes of data, expected 6 for I16 [3]"#
      ),
      (
        [SafetensorsEntry("w", dtype: .u8, shape: [-1], bytes: [])],
        #", tensor "w": found U8 of shape [-1], expected extents whose product fits"#
      ),
      (
        [SafetensorsEntry("w", dtype: .f4, shape: [3], bytes: [1, 2])],
        #", tensor "w": found F4 of shape [3], 12 bits, expected whole bytes"#
      ),
      (
        [SafetensorsEntry("w", Tensor([1]), dtype: .i8)],
        #", tensor "w": found floats to be written as I8, expected F32, F16, BF16 or F64"#
      ),
      (
        [SafetensorsEntry("w", [1], shape: [1], dtype: .f32)],
        #", tensor "w": found integers to be written as F32, expected an integer type or BOOL"#
      ),
    ] as [([SafetensorsEntry], String)])
  func aBadEntryLeavesTheOldFile(entries: [SafetensorsEntry], message: String) throws {
    try withTemporaryFolder { folder in
      let path = folder + "/model.safetensors"
      try AtomicFile.write("old", to: path)
      let error = #expect(throws: InputError.self) {
        try SafetensorsWriter.write(
          [SafetensorsEntry("good", Tensor([1, 2]), dtype: .f64)] + entries, to: path)
      }
      #expect(error?.description == path + message)
      #expect(try bytes(ofFile: path) == Array("old".utf8))
      #expect(try names(in: folder) == ["model.safetensors"])
    }
  }
}
