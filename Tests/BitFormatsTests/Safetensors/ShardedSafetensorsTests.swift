import BitCore
@testable import BitFiles
import BitFormats
import Foundation
import Testing

@Suite struct ShardedSafetensorsTests {
  /// A folder of two files with tensors a, b and c, d, an index and a `config.json`.
  private static func write(
    to folder: String, map: String = standardMap, files: [String: [String]] = standardFiles
  ) throws {
    for (file, names) in files {
      let header = names.enumerated().map { place, name in
        #""\#(name)":{"dtype":"F16","shape":[3],"data_offsets":[\#(6 * place),\#(6 * place + 6)]}"#
      }
      // 0 or 1 or 2, then 1 and 2.
      let data = names.indices.flatMap { [0, [0, 0x3c, 0x40][$0], 0, 0x3c, 0, 0x40] as [UInt8] }
      try write(safetensors("{\(header.joined(separator: ","))}", data: data), to: folder, file)
    }
    try write(Array(map.utf8), to: folder, index)
    try write(Array(#"{"quantization_config":{}}"#.utf8), to: folder, "config.json")
  }

  /// Without waiting for the device, as there are many files.
  private static func write(_ bytes: [UInt8], to folder: String, _ name: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
  }

  private static let index = "model.safetensors.index.json"
  private static let standardFiles = [
    "x-1.safetensors": ["a", "b"], "x-2.safetensors": ["c", "d"],
  ]
  private static let standardMap = """
    {"metadata":{"total_size":24},"weight_map":{"d":"x-2.safetensors","a":"x-1.safetensors",\
    "b":"x-1.safetensors","c":"x-2.safetensors"}}
    """

  @Test func opensAFolderAndItsIndex() throws {
    try withTemporaryFolder { folder in
      try Self.write(to: folder)
      for path in [folder, folder + "/", "\(folder)/\(Self.index)"] {
        let checkpoint = try ShardedSafetensors(path: path)
        #expect(checkpoint.tensors.map(\.name) == ["a", "b", "c", "d"])
        #expect(checkpoint.files.count == 2)
        #expect(checkpoint.totalSize == 24)
        #expect(checkpoint.declaredTotalSize == 24)
        #expect(try checkpoint.tensor("d").scalars == [1, 1, 2])
        #expect(try checkpoint.tensor("d", rows: 2..<3).scalars == [2])
        #expect(checkpoint["c"]?.shape == [3])
        #expect(checkpoint["e"] == nil)
        #expect(try checkpoint.file(of: "c").source.hasSuffix("/x-2.safetensors"))
        #expect(try checkpoint.config()?.count == 1)
        #expect(try checkpoint.quantization() == HuggingFaceQuantization())
        let missing = #expect(throws: InputError.self) { try checkpoint.integers("e") }
        #expect(
          missing?.description
            == #"\#(path): found no tensor "e", expected a tensor of this name"#)
      }
      // One of the files alone has only its own tensors.
      let one = try ShardedSafetensors(path: folder + "/x-1.safetensors")
      #expect(one.tensors.map(\.name) == ["a", "b"])
      #expect(one.declaredTotalSize == nil)
      // One file comes before an index.
      try SafetensorsWriter.write(
        [SafetensorsEntry("one", [5], shape: [1], dtype: .i8)], to: folder + "/model.safetensors")
      let file = try ShardedSafetensors(path: folder)
      #expect(file.tensors.map(\.name) == ["one"])
      #expect(try file.integers("one") == [5])
    }
  }

  @Test func otherFilesAreReadByName() throws {
    try withTemporaryFolder { folder in
      try Self.write(to: folder)
      try AtomicFile.write("[1]", to: folder + "/list.json")
      let checkpoint = try ShardedSafetensors(path: folder)
      #expect(try checkpoint.contents(of: "list.json") == Array("[1]".utf8))
      #expect(try checkpoint.json(of: "list.json") == [1])
      #expect(try checkpoint.hasFile("list.json"))
      #expect(try !checkpoint.hasFile("none.json"))
      let missing = #expect(throws: InputError.self) { try checkpoint.contents(of: "none.json") }
      #expect(missing?.kind == .missing)
      for name in ["../list.json", "", ".", "..", "/etc/passwd", "a\0b", "a\\b"] {
        for read in [
          { _ = try checkpoint.contents(of: name) }, { _ = try checkpoint.json(of: name) },
          { _ = try checkpoint.hasFile(name) },
        ] as [() throws -> Void] {
          let error = #expect(throws: InputError.self, performing: read)
          #expect(error?.kind == .malformed)
        }
      }
      try AtomicFile.write("[]", to: folder + "/config.json")
      let error = #expect(throws: InputError.self) { try checkpoint.config() }
      #expect(
        error?.description == "\(folder)/config.json: found an array, expected an object")
      try AtomicFile.write(#"{"quantization_config":1}"#, to: folder + "/config.json")
      let bad = #expect(throws: InputError.self) { try checkpoint.quantization() }
      #expect(bad?.source == "\(folder)/config.json, quantization_config")
    }
  }

  @Test func aFolderWithoutTensorsIsNamed() throws {
    try withTemporaryFolder { folder in
      let error = #expect(throws: InputError.self) { try ShardedSafetensors(path: folder) }
      #expect(error?.kind == .missing)
      #expect(
        error?.description == "\(folder): found neither model.safetensors nor "
          + "model.safetensors.index.json, expected one of them")
      for path in ["\(folder)/none", "\(folder)/none.json", ""] {
        let missing = #expect(throws: InputError.self) { try ShardedSafetensors(path: path) }
        #expect(missing?.kind == .missing)
      }
      try SafetensorsWriter.write([], to: folder + "/model.safetensors")
      let empty = try ShardedSafetensors(path: folder)
      #expect(empty.tensors.isEmpty && empty.totalSize == 0)
      #expect(try empty.config() == nil)
      #expect(try empty.quantization() == nil)
    }
  }

  /// Names that lead out of the folder, in JSON.
  @Test(arguments: [
    "../x-1.safetensors", "/tmp/x.safetensors", "a/b", "..", ".", "", "x\\\\y", "x\\u0000",
    "...safetensors",
  ])
  func refusesNamesWithAPath(name: String) throws {
    try withTemporaryFolder { folder in
      let map = #"{"weight_map":{"a":""# + name + #""}}"#
      try Self.write(to: folder, map: map)
      let error = #expect(throws: InputError.self) { try ShardedSafetensors(path: folder) }
      #expect(error?.kind == .malformed)
      #expect(error?.source == #"\#(folder)/\#(Self.index), tensor "a""#)
      #expect(error?.expected == "a file of the same folder, without a path")
    }
  }

  @Test(arguments: [
    ("[]", "found an array, expected an object"),
    ("{}", "found no weight_map, expected an object weight_map of file names"),
    (#"{"weight_map":[]}"#, "found an array as weight_map, expected an object"),
    (#"{"weight_map":{"a":1}}"#, #"found an integer as file of tensor "a", expected a file name"#),
    (
      #"{"weight_map":{"e":"x-1.safetensors"}}"#,
      #"found no tensor "e" in "x-1.safetensors", expected every tensor of weight_map in its file"#
    ),
    (
      #"{"weight_map":{"a":"x-1.safetensors","a":"x-1.safetensors"}}"#,
      #"found the key "a" again"#
    ),
    (#"{"weight_map":{},"metadata":1}"#, "found an integer as metadata, expected an object"),
    (
      #"{"weight_map":{},"metadata":{"total_size":-1}}"#,
      "found total_size -1, expected a number of bytes"
    ),
    (
      #"{"weight_map":{},"metadata":{"total_size":"1"}}"#,
      #"found total_size "1", expected a number of bytes"#
    ),
  ])
  func saysWhatIsWrongWithAnIndex(map: String, message: String) throws {
    try withTemporaryFolder { folder in
      try Self.write(to: folder, map: map)
      let error = #expect(throws: InputError.self) { try ShardedSafetensors(path: folder) }
      #expect(error?.kind == .malformed)
      #expect(error?.description.hasPrefix("\(folder)/\(Self.index): \(message)") == true)
    }
  }

  @Test func refusesATensorInTwoFilesAndAMissingFile() throws {
    try withTemporaryFolder { folder in
      try Self.write(
        to: folder, files: ["x-1.safetensors": ["a", "b"], "x-2.safetensors": ["c", "d", "a"]])
      let twice = #expect(throws: InputError.self) { try ShardedSafetensors(path: folder) }
      #expect(
        twice?.description == #"\#(folder): found "a" in \#(folder)/x-1.safetensors and "#
          + "\(folder)/x-2.safetensors, expected every tensor in one file")
      try Self.write(
        to: folder, map: #"{"weight_map":{"a":"x-3.safetensors"}}"#)
      let missing = #expect(throws: InputError.self) { try ShardedSafetensors(path: folder) }
      #expect(missing?.kind == .missing)
      #expect(missing?.source == "\(folder)/x-3.safetensors")
    }
  }

  @Test func readsSizesAsTheyAreWritten() throws {
    try withTemporaryFolder { folder in
      for (text, size) in [("1e3", 1000), ("48.0", 48), ("null", nil)] as [(String, Int?)] {
        try Self.write(
          to: folder,
          map: #"{"metadata":{"total_size":\#(text)},"weight_map":{"a":"x-1.safetensors"}}"#)
        let checkpoint = try ShardedSafetensors(path: folder)
        #expect(checkpoint.declaredTotalSize == size)
        // All tensors of the files that the index names are there.
        #expect(checkpoint.tensors.map(\.name) == ["a", "b"])
        #expect(checkpoint.totalSize == 12)
      }
    }
  }

  /// Every cut and many flips of the index and of `config.json`: a checkpoint or a typed error.
  @Test func everyCutAndFlipIsAnErrorOrARead() throws {
    try withTemporaryFolder { folder in
      try Self.write(to: folder)
      func isRead(_ name: String, _ content: [UInt8]) throws -> Bool {
        try Self.write(content, to: folder, name)
        do throws(InputError) {
          let checkpoint = try ShardedSafetensors(path: folder)
          for tensor in checkpoint.tensors { _ = try checkpoint.tensor(tensor.name) }
          _ = try checkpoint.quantization()
          return true
        } catch {
          return false
        }
      }
      let config = Array(
        #"{"quantization_config":{"linear_class":"autobitlinear","rms_norm_eps":1e-5}}"#.utf8)
      for (name, content) in [
        (Self.index, Array(Self.standardMap.utf8)), ("config.json", config),
      ] {
        for length in content.indices {
          #expect(try !isRead(name, Array(content[..<length])))
        }
        var changed = content
        for place in content.indices {
          for mask: UInt8 in [1, 2, 16, 128] {
            changed[place] ^= mask
            _ = try isRead(name, changed)
            changed[place] ^= mask
          }
        }
        #expect(try isRead(name, content))
      }
    }
  }
}
