/// Turns ids into text while they are made.
///
/// A character may be spread over several tokens. Bytes are held back until it is whole, so that the
/// parts, put together, are the text of all ids.
///
/// ```swift
/// var decoder = tokenizer.streamingDecoder()
/// for id in ids { print(decoder.append(id), terminator: "") }
/// print(decoder.finish())
/// ```
public struct StreamingDecoder: Sendable {
  private let tokenizer: Tokenizer
  private let skipsSpecialTokens: Bool
  private var state: DecodingPlan.State
  private var held: [UInt8] = []

  init(_ tokenizer: Tokenizer, skipsSpecialTokens: Bool) {
    self.tokenizer = tokenizer
    self.skipsSpecialTokens = skipsSpecialTokens
    state = tokenizer.decodingState()
  }

  /// The text that is whole after one more token. Bytes that cannot become a character any more
  /// are one U+FFFD for each of their longest parts that could have begun one.
  public mutating func append(_ id: Int32) -> String {
    if skipsSpecialTokens, tokenizer.isSpecial(id) { return "" }
    tokenizer.append(id, to: &held, &state)
    let whole = held.count - Self.unfinished(held)
    guard whole > 0 else { return "" }
    defer { held.removeFirst(whole) }
    return String(decoding: held[..<whole], as: UTF8.self)
  }

  /// The rest of the text, U+FFFD for an unfinished character. Afterwards a new text may begin.
  public mutating func finish() -> String {
    defer {
      held = []
      state = tokenizer.decodingState()
    }
    return String(decoding: held, as: UTF8.self)
  }

  /// How many bytes at the end may become a character with what follows.
  private static func unfinished(_ bytes: [UInt8]) -> Int {
    for count in 1...3 where count <= bytes.count {
      let first = bytes[bytes.count - count]
      if first & 0xc0 == 0x80 { continue }
      let second = count > 1 ? bytes[bytes.count - count + 1] : nil
      // Some first bytes restrict the second.
      let (length, seconds): (Int, ClosedRange<UInt8>)
      switch first {
      case 0xc2...0xdf: (length, seconds) = (2, 0x80...0xbf)
      case 0xe0: (length, seconds) = (3, 0xa0...0xbf)
      case 0xed: (length, seconds) = (3, 0x80...0x9f)
      case 0xe1...0xef: (length, seconds) = (3, 0x80...0xbf)
      case 0xf0: (length, seconds) = (4, 0x90...0xbf)
      case 0xf1...0xf3: (length, seconds) = (4, 0x80...0xbf)
      case 0xf4: (length, seconds) = (4, 0x80...0x8f)
      default: return 0
      }
      return count < length && second.map(seconds.contains) != false ? count : 0
    }
    return 0
  }
}
