import BitCore
import BitFiles

// Methods of strings.

extension TemplateInterpreter {
  mutating func call(
    _ name: String, ofString text: String, _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateValue? {
    // Looking up the case of letters takes a while.
    try charge((Self.looksAtLetters(name) ? 32 : 1) * text.utf8.count)
    if let converted = try convert(text, name) { return converted }
    switch name {
    case "strip", "lstrip", "rstrip":
      let characters = try string(&arguments, "chars", isOptional: true)
      return .string(
        TemplateText.stripped(
          text, characters, left: name != "rstrip", right: name != "lstrip"))
    case "split", "rsplit": return try split(text, fromRight: name == "rsplit", &arguments)
    case "startswith", "endswith": return .bool(try hasAffix(text, name, &arguments))
    case "replace": return .string(try replace(text, &arguments))
    case "find", "rfind", "index", "rindex", "count": return try find(text, name, &arguments)
    case "join":
      guard let values = arguments.take("iterable") else {
        throw mismatch("no list in a call of \"join\"", "a list of strings")
      }
      return .string(try joined(values, by: text, acceptsAll: false))
    case "removeprefix", "removesuffix":
      let affix = try string(&arguments, "affix")
      let isPrefix = name == "removeprefix"
      let (bytes, part) = (Array(text.utf8), Array(affix.utf8))
      guard isPrefix ? bytes.starts(with: part) : bytes.suffix(part.count).elementsEqual(part)
      else { return .string(text) }
      let rest = isPrefix ? bytes.dropFirst(part.count) : bytes.dropLast(part.count)
      return .string(String(decoding: rest, as: UTF8.self))
    case "partition", "rpartition": return try partition(text, name, &arguments)
    case "zfill", "ljust", "rjust": return .string(try padded(text, name, &arguments))
    case "format":
      let values = arguments
      arguments = TemplateArguments()
      return .string(try formatted(text, values))
    default: return nil
    }
  }

  private static func looksAtLetters(_ name: String) -> Bool {
    switch name {
    case "upper", "lower", "capitalize", "title": true
    default: name.hasPrefix("is")
    }
  }

  /// Methods without arguments.
  private func convert(_ text: String, _ name: String) throws(InputError) -> TemplateValue? {
    func all(_ isWanted: (Unicode.Scalar) -> Bool) -> TemplateValue {
      .bool(!text.utf8.isEmpty && text.unicodeScalars.allSatisfy(isWanted))
    }
    switch name {
    case "upper": return .string(TemplateText.uppercased(text))
    case "lower": return .string(TemplateText.lowercased(text))
    case "capitalize": return .string(TemplateText.capitalized(text))
    case "title": return .string(TemplateText.titled(text))
    case "splitlines": return .list(TemplateText.lines(text).map { .string($0) })
    case "isspace": return all(TemplateText.isSpace)
    case "isdigit":
      return all { $0.properties.numericType == .digit || $0.properties.numericType == .decimal }
    case "isdecimal": return all { $0.properties.numericType == .decimal }
    case "isnumeric": return all { $0.properties.numericType != nil }
    case "isalpha": return all(Self.isLetter)
    case "isalnum": return all { Self.isLetter($0) || $0.properties.numericType != nil }
    case "isascii": return .bool(text.utf8.allSatisfy { $0 < 0x80 })
    case "islower", "isupper": return .bool(Self.isCased(text, isUpper: name == "isupper"))
    default: return nil
    }
  }

  static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
    default: false
    }
  }

  /// Takes a string; nil or none, if it is optional, gives nil.
  mutating func string(
    _ arguments: inout TemplateArguments, _ name: String, isOptional: Bool
  ) throws(InputError) -> String? {
    let value = arguments.take(name) ?? .none
    if let text = value.stringValue { return text }
    if isOptional, case .none = value { return nil }
    throw mismatch("\(value.kindName) for the argument \"\(name)\"", "a string")
  }

  private mutating func string(
    _ arguments: inout TemplateArguments, _ name: String
  ) throws(InputError) -> String {
    try string(&arguments, name, isOptional: false) ?? ""
  }

  /// Takes a whole number.
  mutating func integer(
    _ arguments: inout TemplateArguments, _ name: String, _ standard: Int
  ) throws(InputError) -> Int {
    guard let value = arguments.take(name) else { return standard }
    guard let number = value.integerValue else {
      throw mismatch("\(value.kindName) for the argument \"\(name)\"", "a whole number")
    }
    return Int(clamping: number)
  }

  /// The places in bytes where a part begins, from the left, without overlaps.
  mutating func occurrences(
    of part: String, in text: String, atMost: Int = .max
  ) throws(InputError) -> [Int] {
    let (bytes, part) = (Array(text.utf8), Array(part.utf8))
    guard let first = part.first else { return [0] }
    guard part.count <= bytes.count, atMost > 0 else { return [] }
    try charge(2 * bytes.count)
    var places: [Int] = []
    var place = 0
    while place <= bytes.count - part.count {
      guard bytes[place] == first else {
        place += 1
        continue
      }
      var length = 1
      while length < part.count, bytes[place + length] == part[length] { length += 1 }
      // A text of equal letters makes this quadratic.
      try charge(length)
      guard length == part.count else {
        place += 1
        continue
      }
      places.append(place)
      if places.count == atMost { break }
      place += part.count
    }
    return places
  }

  /// The pieces of a text between occurrences of a part.
  private func pieces(_ text: String, between places: [Int], length: Int) -> [String] {
    let bytes = Array(text.utf8)
    var pieces: [String] = []
    var start = 0
    for place in places {
      pieces.append(String(decoding: bytes[start..<place], as: UTF8.self))
      start = place + length
    }
    pieces.append(String(decoding: bytes[start...], as: UTF8.self))
    return pieces
  }

  private mutating func split(
    _ text: String, fromRight: Bool, _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateValue {
    let separator = try string(&arguments, "sep", isOptional: true)
    let most = try integer(&arguments, "maxsplit", -1)
    let limit = most < 0 ? Int.max : most
    guard let separator else {
      if fromRight, most >= 0 {
        throw unsupported("\"rsplit\" at white space with a maximum", "a separator")
      }
      return try newList(words(text, atMost: limit).map { .string($0) })
    }
    guard !separator.utf8.isEmpty else { throw mismatch("an empty separator", "some text") }
    var places = try occurrences(of: separator, in: text, atMost: fromRight ? .max : limit)
    if fromRight, places.count > limit {
      // From the right, occurrences that overlap would be others.
      let bytes = Array(separator.utf8)
      let overlaps = (1..<bytes.count).contains { bytes[$0...].elementsEqual(bytes.dropLast($0)) }
      if overlaps { throw unsupported("\"rsplit\" at a text that overlaps itself", "\"split\"") }
      places = places.suffix(limit)
    }
    try charge(32 * places.count)
    let parts = pieces(text, between: places, length: separator.utf8.count)
    return try newList(parts.map { .string($0) })
  }

  /// The words of a text; after `atMost` splits, the rest of it.
  private func words(_ text: String, atMost: Int) -> [String] {
    var words: [String] = []
    var rest = text.unicodeScalars[...].drop(while: TemplateText.isSpace)
    while !rest.isEmpty {
      if words.count == atMost {
        words.append(String(rest))
        break
      }
      let word = rest.prefix { !TemplateText.isSpace($0) }
      words.append(String(word))
      rest = rest[word.endIndex...].drop(while: TemplateText.isSpace)
    }
    return words
  }

  private mutating func hasAffix(
    _ text: String, _ name: String, _ arguments: inout TemplateArguments
  ) throws(InputError) -> Bool {
    guard let value = arguments.take("prefix") else {
      throw mismatch("no text in a call of \"\(name)\"", "a text")
    }
    var values = [value]
    if case .list(let list) = value, list.kind == .tuple { values = list.elements }
    for value in values {
      guard let affix = value.stringValue else {
        throw mismatch("\(value.kindName) in a call of \"\(name)\"", "a string")
      }
      let hasAffix =
        name == "startswith"
        ? text.utf8.starts(with: affix.utf8)
        : text.utf8.reversed().starts(with: affix.utf8.reversed())
      if hasAffix { return true }
    }
    return false
  }

  /// `replace(old, new, count)`, the method and the filter.
  mutating func replace(
    _ text: String, _ arguments: inout TemplateArguments
  ) throws(InputError) -> String {
    let old = try string(&arguments, "old")
    let new = try string(&arguments, "new")
    var most = -1
    if let count = arguments.take("count"), case let number? = count.integerValue {
      most = Int(clamping: number)
    }
    guard !old.utf8.isEmpty else { throw unsupported("\"replace\" of an empty text", "some text") }
    let places = try occurrences(of: old, in: text, atMost: most < 0 ? .max : most)
    if places.isEmpty { return text }
    let (added, overflow) = new.utf8.count.multipliedReportingOverflow(by: places.count)
    try checkLength(overflow ? limits.output + 1 : added)
    try charge(32 * places.count)
    return pieces(text, between: places, length: old.utf8.count).joined(separator: new)
  }

  private mutating func find(
    _ text: String, _ name: String, _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateValue {
    let part = try string(&arguments, "sub")
    guard !part.utf8.isEmpty else { throw unsupported("\"\(name)\" of an empty text", "some text") }
    let isFirst = name == "find" || name == "index"
    let places = try occurrences(of: part, in: text, atMost: isFirst ? 1 : .max)
    if name == "count" { return .integer(Int128(places.count)) }
    guard var place = places.last else {
      if name == "find" || name == "rfind" { return .integer(-1) }
      throw mismatch("a text without \(ErrorText.quoted(part))", "one with it")
    }
    if !isFirst {
      // The last occurrence may overlap the one before it.
      let (bytes, part) = (Array(text.utf8), Array(part.utf8))
      for next in stride(from: bytes.count - part.count, to: place, by: -1) {
        try charge(part.count)
        if bytes[next..<next + part.count].elementsEqual(part) {
          place = next
          break
        }
      }
    }
    let scalars = text.utf8.prefix(place).count { $0 & 0xc0 != 0x80 }
    return .integer(Int128(scalars))
  }

  private mutating func partition(
    _ text: String, _ name: String, _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateValue {
    let separator = try string(&arguments, "sep")
    guard !separator.utf8.isEmpty else { throw mismatch("an empty separator", "some text") }
    let isLeft = name == "partition"
    let places = try occurrences(of: separator, in: text, atMost: isLeft ? 1 : .max)
    guard let place = places.last else {
      let parts = isLeft ? [text, "", ""] : ["", "", text]
      return .tuple(parts.map { .string($0) })
    }
    let parts = pieces(text, between: [place], length: separator.utf8.count)
    return .tuple([.string(parts[0]), .string(separator), .string(parts[1])])
  }

  private mutating func padded(
    _ text: String, _ name: String, _ arguments: inout TemplateArguments
  ) throws(InputError) -> String {
    let width = try integer(&arguments, "width", 0)
    let fill = name == "zfill" ? "0" : try string(&arguments, "fill", isOptional: true) ?? " "
    guard fill.unicodeScalars.count == 1 else { throw mismatch("a fill of several", "one letter") }
    let missing = max(0, width - text.unicodeScalars.count)
    try checkLength(text.utf8.count + min(missing, limits.output) * fill.utf8.count)
    let padding = String(repeating: fill, count: missing)
    if name == "ljust" { return text + padding }
    if name == "zfill", let sign = text.utf8.first, sign == 0x2b || sign == 0x2d {
      return String(text.unicodeScalars.prefix(1)) + padding
        + String(text.unicodeScalars.dropFirst())
    }
    return padding + text
  }
}
