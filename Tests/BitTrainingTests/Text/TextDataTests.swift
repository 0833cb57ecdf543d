import BitCore
import BitTokenizers
import Foundation
import TestSupport
import Testing

@testable import BitTraining

@Suite struct TextDataTests {
  private let folder: TemporaryFolder
  private let tokenizer: Tokenizer

  init() throws {
    folder = try TemporaryFolder()
    tokenizer = try TokenDatasetTests.tokenizer()
  }

  private func data(
    _ paths: [String], validation: [String]? = nil, share: Double = 0.25, length: Int = 4
  ) throws -> TextData {
    try TextData(
      paths: paths, validation: validation, validationShare: share, seed: 0, tokenizer: tokenizer,
      length: length)
  }

  @Test func aShareIsForValidation() throws {
    let path = try folder.write("a.txt", "abcdefghijklmnopqrs")
    let both = try data([path])
    #expect(both.training.count == 15 && both.validation?.count == 5)
    let all = try data([path], share: 0)
    #expect(all.training.count == 20 && all.validation == nil)
    let error = try #require(throws: InputError.self) { try data([path], length: 5) }
    #expect(error.found == "5 tokens" && error.source == "\(path) (validation)")
  }

  @Test func othersAreForValidation() throws {
    let (first, second) = (
      try folder.write("a.txt", "abcdefgh"), try folder.write("b.txt", "ijklmnop")
    )
    let both = try data([first], validation: [second])
    #expect(both.training.name == first && both.validation?.name == second)
    for paths in [[first], [second, first], [folder.path]] {
      let error = try #require(throws: InputError.self) { try data([first], validation: paths) }
      #expect(error.found == "the file \(first) that is trained with")
    }
    let short = try folder.write("c.txt", "a")
    #expect(throws: InputError.self) { try data([first], validation: [short]) }
    #expect(throws: InputError.self) { try data([short], validation: [first]) }
  }

  /// Otherwise the files to validate and to test with would be trained with.
  @Test func aFolderWithPartsIsReadByTheirNames() throws {
    try folder.write("train.jsonl", "{\"text\":\"abcdefghijklmnopqrs\"}\n")
    try folder.write("test.jsonl", "{\"text\":\"never read\"}\n")
    let cut = try data([folder.path])
    #expect(cut.training.count + (cut.validation?.count ?? 0) == 20)
    try folder.write("valid.jsonl", "{\"text\":\"ijklmnop\"}\n")
    let parts = try data([folder.path])
    #expect(parts.training.name == folder.path + "/train.jsonl")
    #expect(parts.validation?.name == folder.path + "/valid.jsonl")
    #expect(parts.validation?.ids(0..<2) == [105, 106])
    try folder.write("train.txt", "abc")
    let error = try #require(throws: InputError.self) { try data([folder.path]) }
    #expect(error.found == "both train.jsonl and train.txt")
  }
}
