/// Unicode's normalization form C (annex 15 of the standard), without Foundation and its ICU.
enum CanonicalComposition {
  /// What a character is to normalization.
  private struct Role: OptionSet {
    let rawValue: UInt8
    /// Text without such characters is in form C.
    static let mayChange = Role(rawValue: 1)
  }

  /// The canonical decomposition of each character that has one; the second part is 0 if there is
  /// only one.
  private static let decompositions: [UInt32: (UInt32, UInt32)] = {
    var result: [UInt32: (UInt32, UInt32)] = [:]
    CanonicalDecompositions.forEach { result[$0] = ($1, $2) }
    return result
  }()

  /// The character that two characters make.
  private static let compositions: [UInt64: UInt32] = {
    var result: [UInt64: UInt32] = [:]
    for (whole, parts) in decompositions where parts.1 != 0 {
      let isExcluded = Unicode.Scalar(whole)?.properties.isFullCompositionExclusion ?? true
      if !isExcluded { result[UInt64(parts.0) << 32 | UInt64(parts.1)] = whole }
    }
    return result
  }()

  /// Characters that may change or change others, of the planes that have any.
  private static let roles: Memory<UInt8> = {
    let roles = Memory<UInt8>(repeating: 0, count: 0x30000)
    for value in UInt32(0)..<UInt32(roles.count) where combiningClass(value) != 0 {
      roles.base[Int(value)] = Role.mayChange.rawValue
    }
    for (whole, parts) in decompositions {
      let isComposed = compositions[UInt64(parts.0) << 32 | UInt64(parts.1)] == whole
      if !isComposed { roles.base[Int(whole)] = Role.mayChange.rawValue }
      if isComposed { roles.base[Int(parts.1)] = Role.mayChange.rawValue }
    }
    for jamo in Hangul.vowels { roles.base[Int(jamo)] = Role.mayChange.rawValue }
    for jamo in Hangul.finals { roles.base[Int(jamo)] = Role.mayChange.rawValue }
    return roles
  }()

  /// Syllables of Korean, which follow a rule instead of a table.
  private enum Hangul {
    static let syllables: Range<UInt32> = 0xac00..<0xd7a4
    static let initials: Range<UInt32> = 0x1100..<0x1113
    static let vowels: Range<UInt32> = 0x1161..<0x1176
    /// From U+11A7 on, which itself stands for none.
    static let finals: Range<UInt32> = 0x11a8..<0x11c3
  }

  private static func combiningClass(_ scalar: UInt32) -> UInt8 {
    Unicode.Scalar(scalar)?.properties.canonicalCombiningClass.rawValue ?? 0
  }

  /// The text in form C, or nil if it is already.
  static func compose(_ text: TextPointer) -> [UInt8]? {
    guard mayChange(text) else { return nil }
    var scalars = decompose(text)
    order(&scalars)
    compose(&scalars)
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    for scalar in scalars {
      guard let scalar = Unicode.Scalar(scalar.value) else { continue }
      result.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
    }
    return result
  }

  private static func mayChange(_ text: TextPointer) -> Bool {
    var place = 0
    while place < text.count {
      // Nothing below U+0300, whose first byte is 0xcc, can change.
      if text.base[place] < 0xcc {
        place += 1
        continue
      }
      let (value, length) = text.scalar(at: place)
      if value < roles.count, roles.base[Int(value)] != 0 { return true }
      place += length
    }
    return false
  }

  private static func decompose(
    _ text: TextPointer
  ) -> [(value: UInt32, combiningClass: UInt8)] {
    var result: [(value: UInt32, combiningClass: UInt8)] = []
    result.reserveCapacity(text.count)
    func add(_ value: UInt32) {
      if value < 0xc0 {
        result.append((value, 0))
      } else if Hangul.syllables.contains(value) {
        let index = value - Hangul.syllables.lowerBound
        result.append((Hangul.initials.lowerBound + index / 588, 0))
        result.append((Hangul.vowels.lowerBound + index % 588 / 28, 0))
        if index % 28 > 0 { result.append((Hangul.finals.lowerBound - 1 + index % 28, 0)) }
      } else if let (first, second) = decompositions[value] {
        add(first)
        if second != 0 { add(second) }
      } else {
        result.append((value, combiningClass(value)))
      }
    }
    var place = 0
    while place < text.count {
      let (value, length) = text.scalar(at: place)
      add(value)
      place += length
    }
    return result
  }

  /// Sorts each run of marks by their classes; equal ones keep their order.
  private static func order(_ scalars: inout [(value: UInt32, combiningClass: UInt8)]) {
    var place = 0
    while place < scalars.count {
      guard scalars[place].combiningClass > 0 else {
        place += 1
        continue
      }
      let start = place
      while place < scalars.count, scalars[place].combiningClass > 0 { place += 1 }
      if place - start > 1 {
        let sorted = scalars[start..<place].enumerated().sorted {
          ($0.element.combiningClass, $0.offset) < ($1.element.combiningClass, $1.offset)
        }
        for (offset, entry) in sorted.enumerated() { scalars[start + offset] = entry.element }
      }
    }
  }

  private static func compose(_ scalars: inout [(value: UInt32, combiningClass: UInt8)]) {
    var count = 0
    /// Where the last character is that marks may join, if any.
    var starter: Int?
    for scalar in scalars {
      if let starter {
        // A mark joins unless one of its class or above stands between.
        let between = count - 1 > starter ? Int(scalars[count - 1].combiningClass) : -1
        if between < Int(scalar.combiningClass),
          let whole = composition(scalars[starter].value, scalar.value)
        {
          scalars[starter].value = whole
          continue
        }
      }
      if scalar.combiningClass == 0 { starter = count }
      scalars[count] = scalar
      count += 1
    }
    scalars.removeLast(scalars.count - count)
  }

  private static func composition(_ first: UInt32, _ second: UInt32) -> UInt32? {
    if Hangul.initials.contains(first), Hangul.vowels.contains(second) {
      let index = (first - Hangul.initials.lowerBound) * 21 + second - Hangul.vowels.lowerBound
      return Hangul.syllables.lowerBound + index * 28
    }
    if Hangul.syllables.contains(first), Hangul.finals.contains(second),
      (first - Hangul.syllables.lowerBound) % 28 == 0
    {
      return first + second - (Hangul.finals.lowerBound - 1)
    }
    return compositions[UInt64(first) << 32 | UInt64(second)]
  }
}
