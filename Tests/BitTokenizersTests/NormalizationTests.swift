import BitFiles
import Foundation
import Testing

@testable import BitTokenizers

/// Normalization form C against Python's; Foundation's differs from the standard in a few places.
@Suite struct NormalizationTests {
  private func compose(_ text: String) -> String {
    String(decoding: TextNormalizer([.nfc]).normalize(text), as: UTF8.self)
  }

  @Test func textsComposeAsByPython() throws {
    let path = (Bundle.module.resourcePath ?? "") + "/Golden/compositions.json"
    let file = try JSONValue(parsing: MappedFile.contents(of: path, limit: 1 << 24))
    let pairs = try #require(file["pairs"]?.arrayValue)
    #expect(pairs.count > 5000)
    for pair in pairs {
      let text = try #require(pair[0]?.stringValue)
      let expected = try #require(pair[1]?.stringValue)
      if !isSame(compose(text), expected) {
        Issue.record(
          """
          \(text.unicodeScalars.map(\.value)): \(compose(text).unicodeScalars.map(\.value)), \
          expected \(expected.unicodeScalars.map(\.value))
          """)
      }
    }
  }

  @Test func allElseStaysAsItIs() {
    for value in UInt32(0)..<0x30000 {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let text = String(scalar)
      let isChanged = scalar.properties.isFullCompositionExclusion
      #expect(isSame(compose(text), text) == !isChanged, "U+\(String(value, radix: 16))")
    }
  }

  @Test func aMillionMarksEnd() {
    let marks = String(repeating: "\u{301}\u{323}", count: 100_000)
    let composed = compose("a" + marks)
    #expect(composed.unicodeScalars.count == 200_000)
    #expect(composed.unicodeScalars.first == "\u{1ea1}")
  }
}
