import BitCore
import BitFiles
import Foundation
import Testing

@testable import BitTokenizers

/// The golden files of tokenizers: made by tokenizers 0.23.3, see the notes in the files themselves.
enum Golden {
  /// A text with what the reference makes of it.
  struct Case: Decodable {
    let text: String
    /// With special tokens in the text recognised; with tokens around the text where the file
    /// ``idsWithoutSpecial`` differs.
    let ids: [Int32]
    let ids_no_special: [Int32]?
    let ids_specials_as_text: [Int32]?
    let tokens: [String]?
    let decoded: String?
    let decoded_skip_special: String?

    var idsWithoutSpecial: [Int32] { ids_no_special ?? ids }
  }

  /// Ids, with the text that a streaming decoder emits after each and at the end.
  struct Stream: Decodable {
    let why: String
    let ids: [Int32]
    let pieces: [String]
  }

  struct Cases: Decodable {
    let cases: [Case]
    let streaming: [Stream]?
  }

  /// A small tokenizer.json with its cases.
  struct Small: Decodable, CustomTestStringConvertible {
    let file: String
    let vocab_size: Int?
    let expect: String
    let why: String?
    let cases: [Case]?

    var name: String { String(file.split(separator: "/").last ?? "") }
    var testDescription: String { name }
  }

  private struct SmallFile: Decodable { let tokenizers_small: [Small] }

  static let folder = (Bundle.module.resourcePath ?? "") + "/Golden/Tokenizers"

  static func bytes(_ name: String) throws -> [UInt8] {
    try MappedFile.contents(of: folder + "/" + name, limit: 1 << 24)
  }

  private static func decode<T: Decodable>(_ name: String, as type: T.Type) throws -> T {
    try JSONDecoder().decode(type, from: Data(bytes(name)))
  }

  static let small = Result { try decode("small.json", as: SmallFile.self).tokenizers_small }
  static let cases = Result { try decode("golden.json", as: Cases.self) }
  static let older = Result { try decode("cases.json", as: Cases.self).cases }

  static func definition(_ small: Small) throws -> TokenizerDefinition {
    try TokenizerDefinition(tokenizerJSON: bytes("small/" + small.name), source: small.name)
  }

  static let tokenizer = Result { try Tokenizer(folder: folder) }
}

/// Whether two texts have the same bytes, as `==` of strings does not say.
func isSame(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }
