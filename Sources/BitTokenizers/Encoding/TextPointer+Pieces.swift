// Where the pieces of simple pre-tokenizers end.

extension TextPointer {
  /// The end of a run of characters of a class, or of others; of a single one, if those of the class
  /// stand alone.
  func end(of kind: CharacterClass, alone: Bool, _ start: Int) -> Int {
    let (first, length) = scalar(at: start)
    let isMember = CharacterClass(first).contains(kind)
    var place = start + length
    if isMember && alone { return place }
    while place < count {
      let (next, length) = scalar(at: place)
      if CharacterClass(next).contains(kind) != isMember { break }
      place += length
    }
    return place
  }

  /// The same for bytes for which the stand-in of GPT-2 is a number: the digits, and those of
  /// superscripts and fractions in Latin-1.
  func endOfByteDigits(alone: Bool, _ start: Int) -> Int {
    func isNumber(_ byte: UInt8) -> Bool {
      switch byte {
      case 0x30...0x39, 0xb2, 0xb3, 0xb9, 0xbc...0xbe: true
      default: false
      }
    }
    let isMember = isNumber(base[start])
    var place = start + 1
    if isMember && alone { return place }
    while place < count, isNumber(base[place]) == isMember { place += 1 }
    return place
  }

  /// Where the next three ASCII digits in a row begin.
  func digits(from start: Int) -> Int? {
    var run = 0
    for place in start..<max(start, count) {
      run = base[place] >= 0x30 && base[place] <= 0x39 ? run + 1 : 0
      if run == 3 { return place - 2 }
    }
    return nil
  }

  /// The end of a word: before a mark that follows something else, or before any mark.
  func endOfWord(_ mark: [UInt8], splitsMarks: Bool, _ start: Int) -> Int {
    var place = start
    var isAfterOther = false
    while place < count {
      let isMark = isMark(mark, at: place)
      if isMark, place > start, splitsMarks || isAfterOther { return place }
      if !isMark { isAfterOther = true }
      place += isMark ? mark.count : 1
    }
    return place
  }

  private func isMark(_ mark: [UInt8], at place: Int) -> Bool {
    guard base[place] == mark[0], place + mark.count <= count else { return false }
    for offset in 1..<max(1, mark.count) where base[place + offset] != mark[offset] { return false }
    return true
  }
}
