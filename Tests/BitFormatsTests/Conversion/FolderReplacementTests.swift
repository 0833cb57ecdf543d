import BitCore
import BitFiles
import Foundation
import Testing

@testable import BitConversion
@testable import BitFormats

/// A folder that is written again is the old model or the new one.
@Suite struct FolderReplacementTests {
  private static func folder(_ folder: String) throws -> (source: ModelFile, target: String) {
    let target = "\(folder)/out"
    try FileManager.default.copyItem(
      atPath: DecoderConfigurationTests.path("lm/qwen3-t128-tied"), toPath: target)
    return (
      try ModelFile(path: DecoderConfigurationTests.path("lm/llama-b158-256")), target
    )
  }

  @Test func `The new model replaces the old one and leaves nothing behind`() throws {
    try withTemporaryFolder { folder in
      let (source, target) = try Self.folder(folder)
      try Conversion(source, to: target).write()
      #expect(try DecoderConfiguration(ModelFile(path: target)).family == .llama)
      #expect(
        try names(in: target) == [
          "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
          "tokenizer_config.json",
        ])
    }
  }

  @Test func `If the tensors cannot be renamed, the old model is still there`() throws {
    try withTemporaryFolder { folder in
      let (_, target) = try Self.folder(folder)
      let before = try bytes(ofFile: "\(target)/config.json")
      let files = StagedFiles()
      try files.add("\(target)/config.json", "{}")
      struct Stop: Error {}
      let error = #expect(throws: InputError.self) {
        try ConversionFolder.replace(target, files) { () throws(InputError) in
          // Meanwhile no configuration describes the tensors.
          let isThere = FileManager.default.fileExists(atPath: "\(target)/config.json")
          throw InputError(
            .inputOutput, source: "x", found: isThere ? "a file" : "none", expected: "")
        }
      }
      #expect(error?.found == "none")
      #expect(try bytes(ofFile: "\(target)/config.json") == before)
      #expect(try DecoderConfiguration(ModelFile(path: target)).family == .qwen3)
    }
  }

  @Test func `If the configuration cannot be renamed, the folder has none`() throws {
    try withTemporaryFolder { folder in
      let (_, target) = try Self.folder(folder)
      let files = StagedFiles()
      try files.add("\(target)/config.json", "{}")
      #expect(throws: InputError.self) {
        try ConversionFolder.replace(target, files) { () throws(InputError) in
          // A folder of that name cannot be replaced by a file.
          try? FileManager.default.createDirectory(
            atPath: "\(target)/config.json", withIntermediateDirectories: false)
        }
      }
      try FileManager.default.removeItem(atPath: "\(target)/config.json")
      #expect(throws: InputError.self) { try DecoderConfiguration(ModelFile(path: target)) }
    }
  }
}
