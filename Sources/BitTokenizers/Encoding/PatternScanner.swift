/// Finds where the pieces end that a ``SplitPattern`` makes of a text.
struct PatternScanner {
  let text: TextPointer
  /// Of a letter of words; numbers and spaces are the same for all patterns.
  private let letter: CharacterClass
  private let digitsTogether: Int
  private let ascii: UnsafePointer<UInt8>

  init(_ text: TextPointer, _ pattern: SplitPattern) {
    self.text = text
    letter = pattern == .qwen35 ? [.letter, .mark] : .letter
    digitsTogether = pattern == .llama3 ? 3 : 1
    ascii = UnsafePointer(CharacterClass.ascii.base)
  }

  /// The classes and the length of the character at a place; nothing at the end of the text.
  @inline(__always)
  private func character(_ place: Int) -> (kind: CharacterClass, length: Int) {
    guard place < text.count else { return ([], 0) }
    let byte = text.base[place]
    if byte < 0x80 { return (CharacterClass(rawValue: ascii[Int(byte)]), 1) }
    let (value, length) = text.scalar(at: place)
    return (CharacterClass(value), length)
  }

  /// The end of a run of characters that have one of the classes.
  @inline(__always)
  private func end(of kinds: CharacterClass, from start: Int) -> Int {
    var place = start
    while true {
      let (kind, length) = character(place)
      if kind.isDisjoint(with: kinds) { return place }
      place += length
    }
  }

  /// The end of a run of characters that have none of the classes.
  @inline(__always)
  private func end(ofNone kinds: CharacterClass, from start: Int) -> Int {
    var place = start
    while place < text.count {
      let (kind, length) = character(place)
      if !kind.isDisjoint(with: kinds) { return place }
      place += length
    }
    return place
  }

  /// The end of the piece at a place before the end, by the patterns of Llama 3 and Qwen:
  ///
  ///     (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}
  ///       | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
  func endOfWord(_ start: Int) -> Int {
    let (kind, length) = character(start)
    if !kind.isDisjoint(with: letter) { return end(of: letter, from: start + length) }
    let byte = text.base[start]
    if byte == UInt8(ascii: "'"), let end = endOfContraction(start, ignoringCase: true) {
      return end
    }
    if kind.contains(.number) {
      var place = start + length
      for _ in 1..<digitsTogether {
        let next = character(place)
        guard next.kind.contains(.number) else { break }
        place += next.length
      }
      return place
    }
    let second = character(start + length)
    if !second.kind.isDisjoint(with: letter), !kind.contains(.lineBreak) {
      return end(of: letter, from: start + length + second.length)
    }
    let notPunctuation = letter.union([.number, .space])
    var place = start
    if byte == 0x20, second.length > 0, second.kind.isDisjoint(with: notPunctuation) {
      place = start + 1
    }
    if place > start || !kind.contains(.space) {
      return end(of: .lineBreak, from: end(ofNone: notPunctuation, from: place))
    }
    return endOfSpaces(start, withLineBreaks: true)
  }

  /// The end of the piece at a place before the end, by GPT-2's pattern:
  ///
  ///     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  func endOfGPT2(_ start: Int) -> Int {
    let byte = text.base[start]
    if byte == UInt8(ascii: "'"), let end = endOfContraction(start, ignoringCase: false) {
      return end
    }
    var place = start
    var (kind, length) = character(start)
    if byte == 0x20 {
      let second = character(start + 1)
      if second.length > 0, !second.kind.contains(.space) {
        place = start + 1
        (kind, length) = second
      }
    }
    if kind.contains(.letter) { return end(of: .letter, from: place + length) }
    if kind.contains(.number) { return end(of: .number, from: place + length) }
    if !kind.contains(.space) {
      return end(ofNone: [.letter, .number, .space], from: place + length)
    }
    return endOfSpaces(start, withLineBreaks: false)
  }

  /// `\s*[\r\n]+` if asked for, then `\s+(?!\S)|\s+`: white space leaves its last character to what
  /// follows, if it has two.
  private func endOfSpaces(_ start: Int, withLineBreaks: Bool) -> Int {
    var (place, last, afterLineBreak) = (start, start, start)
    while true {
      let (kind, length) = character(place)
      guard kind.contains(.space) else { break }
      last = place
      place += length
      if kind.contains(.lineBreak) { afterLineBreak = place }
    }
    if withLineBreaks, afterLineBreak > start { return afterLineBreak }
    return place == text.count || last == start ? place : last
  }

  /// The end of 's, 't, 're, 've, 'm, 'll or 'd, from the apostrophe.
  private func endOfContraction(_ start: Int, ignoringCase: Bool) -> Int? {
    func letter(_ place: Int) -> UInt8 {
      guard place < text.count else { return 0 }
      let byte = text.base[place]
      return ignoringCase && byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
    }
    switch (letter(start + 1), letter(start + 2)) {
    case (UInt8(ascii: "s"), _), (UInt8(ascii: "t"), _), (UInt8(ascii: "m"), _),
      (UInt8(ascii: "d"), _):
      return start + 2
    case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
      (UInt8(ascii: "l"), UInt8(ascii: "l")):
      return start + 3
    // The long s is an s too, when case does not count.
    case (0xc5, 0xbf) where ignoringCase: return start + 3
    default: return nil
    }
  }
}
