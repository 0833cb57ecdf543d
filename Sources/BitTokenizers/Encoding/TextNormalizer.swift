/// Applies normalizers to a text.
struct TextNormalizer: Sendable {
  private let steps: [NormalizerStep]

  init(_ steps: [NormalizerStep]) { self.steps = steps }

  var isEmpty: Bool { steps.isEmpty }

  /// The normalized bytes, or nil if the text stays as it is.
  func normalize(_ text: TextPointer) -> [UInt8]? {
    var result: [UInt8]?
    for step in steps {
      if let changed = result {
        let again = changed.withUnsafeBufferPointer { bytes -> [UInt8]? in
          guard let base = bytes.baseAddress else { return nil }
          return Self.apply(step, TextPointer(base: base, count: bytes.count))
        }
        result = again ?? changed
      } else {
        result = Self.apply(step, text)
      }
    }
    return result
  }

  private static func apply(_ step: NormalizerStep, _ text: TextPointer) -> [UInt8]? {
    if text.count == 0 { return nil }
    switch step {
    case .nfc: return CanonicalComposition.compose(text)
    case .prepend(let prefix):
      return Array(prefix.utf8) + UnsafeBufferPointer(start: text.base, count: text.count)
    case .replace(let pattern, let content):
      return replace(Array(pattern.utf8), with: Array(content.utf8), in: text)
    }
  }

  /// A text with one string in the place of another, or nil if that is not in it.
  static func replace(
    _ pattern: [UInt8], with content: [UInt8], in text: TextPointer
  ) -> [UInt8]? {
    func isMatch(_ place: Int) -> Bool {
      guard place + pattern.count <= text.count else { return false }
      for (offset, byte) in pattern.enumerated() where text.base[place + offset] != byte {
        return false
      }
      return true
    }
    var result: [UInt8] = []
    var (place, kept) = (0, 0)
    while place < text.count {
      guard text.base[place] == pattern[0], isMatch(place) else {
        place += 1
        continue
      }
      if kept == 0 { result.reserveCapacity(text.count + text.count / 4) }
      result.append(contentsOf: UnsafeBufferPointer(start: text.base + kept, count: place - kept))
      result.append(contentsOf: content)
      place += pattern.count
      kept = place
    }
    if kept == 0 { return nil }
    result.append(
      contentsOf: UnsafeBufferPointer(start: text.base + kept, count: text.count - kept))
    return result
  }
}
