import BitConversion
import BitCore
import BitFormats
import Foundation
import Testing

/// Models that llama.cpp split into several files.
@Suite struct ShardedGGUFTests {
  /// Writes the parts of a model with two tensors in each: norms and ternary weights.
  private func write(
    _ folder: String, parts: Int = 2, declared: Int = 4, name: String = "m",
    number: (Int) -> Int = { $0 }
  ) throws -> [String] {
    try (0..<parts).map { part in
      let coded = try CodedTensor(
        codes: randomCodes(2 * 256, seed: UInt64(part)), rows: 2, columns: 256,
        scaleKind: .tensor, scales: [0.5], source: "test")
      let path = "\(folder)/\(name)-0000\(part + 1)-of-0000\(parts).gguf"
      try GGUFWriter.write(
        [
          GGUFEntry("blk.\(part).attn_q.weight", coded, type: .tq2_0),
          GGUFEntry("blk.\(part).attn_norm.weight", Tensor([1, Float(part)])),
        ],
        metadata: [
          "general.architecture": .string("other"), "split.no": .uint16(UInt16(number(part))),
          "split.count": .uint16(UInt16(parts)), "split.tensors.count": .int32(Int32(declared)),
        ], to: path)
      return path
    }
  }

  @Test func anyPartLeadsToAll() throws {
    try withTemporaryFolder { folder in
      let paths = try write(folder)
      for path in paths {
        let model = try ModelFile(path: path)
        #expect(
          model.tensors.map(\.name) == [
            "blk.0.attn_q.weight", "blk.0.attn_norm.weight", "blk.1.attn_q.weight",
            "blk.1.attn_norm.weight",
          ])
        #expect(try model.tensors[3].values(0..<1) == [1, 1])
        for out in ["\(folder)/out.gguf", "\(folder)/out.safetensors"] {
          try Conversion(model, to: out).write(verifying: true)
          #expect(try ModelFile(path: out).tensors.count == 4)
        }
        // One file now: nothing says that it is one of several.
        let written = try GGUFFile(path: "\(folder)/out.gguf")
        #expect(!written.metadata.entries.contains { $0.key.hasPrefix("split.") })
      }
    }
  }

  @Test func partsThatDoNotFitAreNamed() throws {
    func refused(_ path: String) throws -> InputError {
      try #require(#expect(throws: InputError.self) { try ModelFile(path: path) })
    }
    try withTemporaryFolder { folder in
      let paths = try write(folder)
      try FileManager.default.moveItem(atPath: paths[1], toPath: "\(folder)/moved.gguf")
      let missing = try refused(paths[0])
      #expect(missing.kind == .missing && missing.source == paths[1])
      #expect(missing.expected == "part 2 of 2 of the model in \(paths[0])")
      // A name that does not tell where the other parts are.
      let renamed = try refused("\(folder)/moved.gguf")
      #expect(renamed.found == "part 2 of 2 under this name")
      #expect(renamed.expected.contains("-00002-of-00002.gguf"))

      _ = try write(folder, declared: 5)
      #expect(try refused(paths[0]).found == "4 tensors in 2 parts")
      _ = try write(folder, number: { 1 - $0 })
      #expect(try refused(paths[0]).kind == .malformed)
      _ = try write(folder)
      try FileManager.default.removeItem(atPath: paths[1])
      try FileManager.default.copyItem(atPath: paths[0], toPath: paths[1])
      #expect(try refused(paths[0]).found == "part 1 of 2")
    }
  }
}
