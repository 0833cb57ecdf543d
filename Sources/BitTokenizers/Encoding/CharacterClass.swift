/// What the patterns of pre-tokenizers tell apart.
struct CharacterClass: OptionSet, Sendable {
  let rawValue: UInt8

  /// General category L.
  static let letter = CharacterClass(rawValue: 1)
  /// General category N.
  static let number = CharacterClass(rawValue: 2)
  /// The property White_Space.
  static let space = CharacterClass(rawValue: 4)
  /// General category M.
  static let mark = CharacterClass(rawValue: 8)
  /// General category P, and all ASCII symbols.
  static let punctuation = CharacterClass(rawValue: 16)
  /// U+000A or U+000D.
  static let lineBreak = CharacterClass(rawValue: 32)
  /// Alphabetic, mark, decimal digit, connecting punctuation or joiner, as `\w` has it.
  static let word = CharacterClass(rawValue: 64)

  /// The classes of a character, by the Unicode tables of Swift's library.
  init(computing scalar: Unicode.Scalar) {
    let properties = scalar.properties
    var found: CharacterClass = []
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
      found = .letter
    case .decimalNumber: found = [.number, .word]
    case .letterNumber, .otherNumber: found = .number
    case .nonspacingMark, .spacingMark, .enclosingMark: found = [.mark, .word]
    case .connectorPunctuation: found = [.punctuation, .word]
    case .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
      .finalPunctuation, .otherPunctuation:
      found = .punctuation
    case .mathSymbol, .currencySymbol, .modifierSymbol, .otherSymbol:
      if scalar.isASCII { found = .punctuation }
    default: break
    }
    if properties.isAlphabetic || properties.isJoinControl { found.insert(.word) }
    if properties.isWhitespace { found.insert(.space) }
    if scalar == "\n" || scalar == "\r" { found.insert(.lineBreak) }
    self = found
  }

  init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The classes of the characters of the first two planes, where all but Han's rarest are.
  private static let table: Memory<UInt8> = {
    let table = Memory<UInt8>(repeating: 0, count: 0x20000)
    for value in 0..<table.count {
      guard let scalar = Unicode.Scalar(UInt32(value)) else { continue }
      table.base[value] = CharacterClass(computing: scalar).rawValue
    }
    return table
  }()

  /// The classes of the ASCII characters.
  static let ascii: Memory<UInt8> = {
    let table = Memory<UInt8>(repeating: 0, count: 128)
    for value in 0..<128 {
      table.base[value] = CharacterClass(computing: Unicode.Scalar(UInt8(value))).rawValue
    }
    return table
  }()

  /// The classes of a character.
  init(_ scalar: UInt32) {
    if scalar < 0x20000 {
      self.init(rawValue: Self.table.base[Int(scalar)])
    } else {
      self.init(computing: Unicode.Scalar(scalar) ?? "\u{fffd}")
    }
  }
}
