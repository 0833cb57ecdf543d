import BitCore
@testable import BitFiles
import BitFormats
import Testing

/// Arrays of metadata, which are read from the file element by element.
@Suite struct GGUFArrayTests {
  static let words = (0..<100).map { String(repeating: "é\($0)", count: $0 % 7) }

  /// A file whose only pair is an array.
  static func file(_ type: UInt32, count: Int, _ content: [UInt8]) throws -> GGUFFile {
    var made = HandMadeGGUF()
    made.pairs = [
      ("a", 9, HandMadeGGUF.little(type) + HandMadeGGUF.little(UInt64(count)) + content)
    ]
    return try GGUFFile(bytes: made.bytes, source: "f")
  }

  @Test(arguments: [0, 1, 15, 16, 17, 32, 33, 100]) func stringsInAnyOrder(count: Int) throws {
    let words = Array(Self.words.prefix(count))
    let file = try Self.file(8, count: count, words.flatMap { HandMadeGGUF.string($0) })
    let value = try #require(file.metadata["a"])
    let array = try #require(value.arrayValue)
    #expect(array.count == count)
    #expect(value.stringsValue == words)
    #expect(array.map(\.stringValue) == words)
    for index in words.indices.shuffled() { #expect(array[index] == .string(words[index])) }
    #expect(array == .string(words))
    #expect(array.hashValue == GGUFArray.string(words).hashValue)
    #expect(value.typeName == "array of string")
    #expect(array.reversed().map(\.stringValue) == words.reversed())
  }

  @Test func equalIsEqualBytesOfOneType() {
    #expect(GGUFArray.float32([.nan]) == .float32([.nan]))
    #expect(GGUFArray.float32([0]) != .float32([-0.0]))
    #expect(GGUFArray.uint32([1]) != .int32([1]))
    #expect(GGUFArray.uint32([]) != .int32([]))
    #expect(GGUFArray.uint8([1]) != .uint8([1, 1]))
    // The same text to a String, not the same bytes.
    #expect(GGUFArray.string(["\u{e9}"]) != .string(["e\u{301}"]))
    // As many strings in as many bytes.
    #expect(GGUFArray.string(["ab", ""]) != .string(["", "ab"]))
    #expect(GGUFValue.array(.int32([1])).stringsValue == nil)
  }

  /// The metadata keeps what it needs of a file that is gone.
  @Test func outlivesTheFile() throws {
    try withTemporaryFolder { folder in
      let path = folder + "/m.gguf"
      try GGUFWriter.write([], metadata: ["a": .array(.string(Self.words))], to: path)
      let metadata = try GGUFFile(path: path).metadata
      try AtomicFile.write("gone", to: path)
      #expect(metadata["a"]?.stringsValue == Self.words)
      try GGUFWriter.write([], metadata: metadata, to: path)
      #expect(try GGUFFile(path: path).metadata == metadata)
    }
  }

  /// What is UTF-8 and what is not, as the standard library sees it.
  @Test func refusesWhatIsNotUTF8() throws {
    let edges: [UInt8] = [
      0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1,
      0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
    ]
    var generator = SeededGenerator(seed: 5)
    var texts = edges.map { [$0] }
    for first in edges { for second in edges { texts.append([first, second]) } }
    for text in texts.suffix(edges.count * edges.count) {
      texts += edges.map { text + [$0] }
    }
    for _ in 0..<20_000 {
      let ascii = [UInt8](repeating: 0x61, count: Int.random(in: 0...17, using: &generator))
      let count = Int.random(in: 1...5, using: &generator)
      let random = (0..<count).map { _ in edges.randomElement(using: &generator) ?? 0 }
      let after = [UInt8](repeating: 0x62, count: Int.random(in: 0...9, using: &generator))
      texts.append(ascii + random + after)
    }
    var valid = 0
    for text in texts {
      let expected = String(validating: text, as: UTF8.self)
      let content = HandMadeGGUF.little(UInt64(text.count)) + text
      let found = try? Self.file(8, count: 1, content).metadata["a"]?.stringsValue
      if found.map({ Array($0[0].utf8) }) != expected.map({ Array($0.utf8) }) {
        Issue.record("\(text): \(String(describing: found))")
      }
      valid += expected == nil ? 0 : 1
    }
    #expect(valid > 300 && valid < texts.count / 2)
  }

  @Test func namesTheStringAtFault() throws {
    let content = Self.words.flatMap { HandMadeGGUF.string($0) } + HandMadeGGUF.little(UInt64(1))
    let error = #expect(throws: InputError.self) {
      try Self.file(8, count: 101, content + [0x80])
    }
    let place = 24 + 9 + 4 + 12 + content.count
    #expect(
      error?.description
        == #"f, key "a": found a string at byte \#(place) that is not UTF-8, expected UTF-8"#)
    #expect(throws: InputError.self) { try Self.file(8, count: 102, content + [0x41]) }
  }
}
