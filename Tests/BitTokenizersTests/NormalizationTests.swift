import Foundation
import Testing

@testable import BitTokenizers

/// Composition against Foundation's, which uses ICU.
@Suite struct NormalizationTests {
  private func compose(_ text: String) -> String {
    String(decoding: TextNormalizer([.nfc]).normalize(text), as: UTF8.self)
  }

  @Test func everyCharacterComposesAsByFoundation() {
    for value in UInt32(0)..<0x30000 {
      guard let scalar = Unicode.Scalar(value) else { continue }
      // Foundation's tables may lack characters that are newer.
      guard scalar.properties.generalCategory != .unassigned else { continue }
      for text in [String(scalar), "a\(scalar)", "\(scalar)\u{301}", "e\u{323}\(scalar)\u{302}"] {
        let expected = text.precomposedStringWithCanonicalMapping
        if !isSame(compose(text), expected) {
          Issue.record(
            "U+\(String(value, radix: 16)): \(compose(text).unicodeScalars.map(\.value))")
        }
      }
    }
  }

  @Test(arguments: [
    "cafe\u{301}", "\u{1100}\u{1161}\u{11a8}", "\u{ac00}\u{11a8}", "a\u{315}\u{300}\u{5ae}b",
    "\u{212b}\u{2126}", "\u{958}\u{915}\u{93c}", "\u{1d15e}", "q\u{307}\u{323}", "\u{f900}",
    "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}", "\u{3b1}\u{345}\u{301}\u{314}",
  ])
  func sequencesComposeAsByFoundation(text: String) {
    #expect(isSame(compose(text), text.precomposedStringWithCanonicalMapping))
  }
}
