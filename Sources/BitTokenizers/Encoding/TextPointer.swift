/// Valid UTF-8 with the characters in it.
struct TextPointer {
  let base: UnsafePointer<UInt8>
  let count: Int

  /// The character at a place, which must be its first byte, and its length in bytes.
  @inline(__always)
  func scalar(at place: Int) -> (value: UInt32, length: Int) {
    let first = UInt32(base[place])
    if first < 0x80 { return (first, 1) }
    if first < 0xe0 { return ((first & 0x1f) << 6 | rest(place + 1), 2) }
    if first < 0xf0 {
      return ((first & 0x0f) << 12 | rest(place + 1) << 6 | rest(place + 2), 3)
    }
    let high = (first & 0x07) << 18 | rest(place + 1) << 12
    return (high | rest(place + 2) << 6 | rest(place + 3), 4)
  }

  @inline(__always)
  private func rest(_ place: Int) -> UInt32 { UInt32(base[place] & 0x3f) }

  /// Where the character before a place begins.
  func start(before place: Int) -> Int {
    var place = place - 1
    while place > 0, base[place] & 0xc0 == 0x80 { place -= 1 }
    return place
  }

  /// A part of the text.
  func part(_ range: Range<Int>) -> TextPointer {
    TextPointer(base: base + range.lowerBound, count: range.count)
  }
}
