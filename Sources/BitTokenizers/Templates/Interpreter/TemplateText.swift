import BitCore

/// Text operations as Python has them, on scalars.
enum TemplateText {
  /// Whether `str.strip()` takes the scalar for white space.
  static func isSpace(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09...0x0d, 0x1c...0x20: true
    case 0..<0x80: false
    default: scalar.properties.isWhitespace
    }
  }

  /// Whether `str.splitlines()` takes the scalar for the end of a line.
  static func isLineEnd(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x0a...0x0d, 0x1c...0x1e, 0x85, 0x2028, 0x2029: true
    default: false
    }
  }

  /// The text without characters at its ends: white space, or those of a string.
  static func stripped(
    _ text: String, _ characters: String? = nil, left: Bool = true, right: Bool = true
  ) -> String {
    let set = characters.map { Set($0.unicodeScalars) }
    func isTaken(_ scalar: Unicode.Scalar) -> Bool { set?.contains(scalar) ?? isSpace(scalar) }
    let scalars = text.unicodeScalars
    var (start, end) = (scalars.startIndex, scalars.endIndex)
    if left { while start < end, isTaken(scalars[start]) { scalars.formIndex(after: &start) } }
    if right {
      while start < end {
        let last = scalars.index(before: end)
        guard isTaken(scalars[last]) else { break }
        end = last
      }
    }
    if start == scalars.startIndex, end == scalars.endIndex { return text }
    return String(scalars[start..<end])
  }

  /// The lines of a text without their ends.
  static func lines(_ text: String) -> [String] {
    var lines: [String] = []
    let scalars = text.unicodeScalars
    var (start, index) = (scalars.startIndex, scalars.startIndex)
    while index < scalars.endIndex {
      var next = scalars.index(after: index)
      if isLineEnd(scalars[index]) {
        lines.append(String(scalars[start..<index]))
        if scalars[index] == "\r", next < scalars.endIndex, scalars[next] == "\n" {
          next = scalars.index(after: next)
        }
        start = next
      }
      index = next
    }
    if start < scalars.endIndex { lines.append(String(scalars[start...])) }
    return lines
  }

  static func uppercased(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars { result += scalar.properties.uppercaseMapping }
    return result
  }

  /// The text in lower case; a sigma at the end of a word becomes a final one.
  static func lowercased(_ text: String) -> String {
    // Enough for most text, and much faster.
    if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.lowercased() }
    return lowercased(text.unicodeScalars, from: text.unicodeScalars.startIndex)
  }

  /// The lower case of the text from a place; what is before it counts for a final sigma.
  static func lowercased(
    _ scalars: String.UnicodeScalarView, from start: String.UnicodeScalarView.Index
  ) -> String {
    var result = ""
    // Whether the nearest scalar before that is not ignored has a case.
    var isAfterLetter = false
    var index = scalars.startIndex
    while index < scalars.endIndex {
      let scalar = scalars[index]
      let properties = scalar.properties
      if index >= start {
        if scalar == "\u{3a3}" {
          let next = nextLetter(scalars, after: index)
          result += isAfterLetter && next?.properties.isCased != true ? "\u{3c2}" : "\u{3c3}"
        } else {
          result += properties.lowercaseMapping
        }
      }
      if !properties.isCaseIgnorable { isAfterLetter = properties.isCased }
      scalars.formIndex(after: &index)
    }
    return result
  }

  /// The scalar after a place that counts for a final sigma: many in a row that do not are rare, so
  /// that it need not look far.
  private static func nextLetter(
    _ scalars: String.UnicodeScalarView, after place: String.UnicodeScalarView.Index
  ) -> Unicode.Scalar? {
    var index = scalars.index(after: place)
    for _ in 0..<64 where index < scalars.endIndex {
      if !scalars[index].properties.isCaseIgnorable { return scalars[index] }
      scalars.formIndex(after: &index)
    }
    return nil
  }

  /// The first letter large, all others small.
  static func capitalized(_ text: String) -> String {
    let scalars = text.unicodeScalars
    guard let first = scalars.first else { return "" }
    return first.properties.titlecaseMapping
      + lowercased(scalars, from: scalars.index(after: scalars.startIndex))
  }

  /// `str.title()`: the first letter of each run of letters large.
  static func titled(_ text: String) -> String {
    var result = ""
    var isInWord = false
    for scalar in text.unicodeScalars {
      let properties = scalar.properties
      result += isInWord ? properties.lowercaseMapping : properties.titlecaseMapping
      isInWord = properties.isCased
    }
    return result
  }

  /// The filter `title`: words begin after white space, hyphens and opening brackets.
  static func titledWords(_ text: String) -> String {
    var result = ""
    var word = ""
    func flush() {
      let scalars = word.unicodeScalars
      guard let first = scalars.first else { return }
      result += first.properties.uppercaseMapping + lowercased(String(scalars.dropFirst()))
      word = ""
    }
    for scalar in text.unicodeScalars {
      switch scalar {
      case "-", "(", "{", "[", "<":
        flush()
        result.unicodeScalars.append(scalar)
      case _ where isSpace(scalar):
        flush()
        result.unicodeScalars.append(scalar)
      default: word.unicodeScalars.append(scalar)
      }
    }
    flush()
    return result
  }

  /// The text with the special characters of HTML written out.
  static func escaped(_ text: String) -> String {
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "'": result += "&#39;"
      case "\"": result += "&#34;"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// The text of a value to join with a safe string.
  static func escaped(_ value: TemplateValue) -> String {
    if case .safe(let text) = value { return text }
    return value.stringValue.map(escaped) ?? ""
  }

  /// Whether Python writes the scalar as it is between quotation marks.
  static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
      .paragraphSeparator:
      false
    case .spaceSeparator: scalar == " "
    default: true
    }
  }

  /// The whole number of a text, as Python's `int` reads it.
  static func integer(_ text: String) -> Int128? {
    digits(stripped(text)).flatMap { Int128($0) }
  }

  /// The number of a text, as Python's `float` reads it.
  static func double(_ text: String) -> Double? {
    let text = stripped(text)
    let sign = text.utf8.first == UInt8(ascii: "-") ? -1.0 : 1.0
    let unsigned =
      text.utf8.first.map { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") } ?? false
    switch lowercased(unsigned ? String(text.dropFirst()) : text) {
    case "inf", "infinity": return sign * .infinity
    case "nan": return .nan
    default: break
    }
    guard let digits = digits(text) else { return nil }
    let known = digits.utf8.allSatisfy {
      switch $0 {
      case 0x30...0x39, UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"),
        UInt8(ascii: "+"), UInt8(ascii: "-"):
        true
      default: false
      }
    }
    return known ? Double(digits) : nil
  }

  /// The text without underscores, each of which must be between two digits.
  private static func digits(_ text: String) -> String? {
    let bytes = Array(text.utf8)
    guard bytes.contains(UInt8(ascii: "_")) else { return text }
    func isDigit(_ place: Int) -> Bool {
      bytes.indices.contains(place) && (0x30...0x39).contains(bytes[place])
    }
    for (place, byte) in bytes.enumerated()
    where byte == UInt8(ascii: "_") && !(isDigit(place - 1) && isDigit(place + 1)) { return nil }
    return String(decoding: bytes.filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
  }

  /// A double as Python writes it: the fewest digits that give it again, with an exponent below
  /// 1e-4 and from 1e16 on.
  static func text(_ value: Double) -> String {
    if value.isNaN { return "nan" }
    if value.isInfinite { return value < 0 ? "-inf" : "inf" }
    let sign = value.sign == .minus ? "-" : ""
    if value == 0 { return sign + "0.0" }
    let (digits, exponent) = decimal(value.magnitude)
    let rest = digits.dropFirst()
    if exponent < -4 || exponent >= 16 {
      let magnitude = exponent.magnitude
      return sign + digits.prefix(1) + (rest.isEmpty ? "" : ".") + rest
        + (exponent < 0 ? "e-" : "e+") + (magnitude < 10 ? "0" : "") + "\(magnitude)"
    }
    if exponent < 0 {
      return sign + "0." + String(repeating: "0", count: -exponent - 1) + digits
    }
    if digits.count <= exponent + 1 {
      return sign + digits + String(repeating: "0", count: exponent + 1 - digits.count) + ".0"
    }
    return sign + digits.prefix(exponent + 1) + "." + digits.dropFirst(exponent + 1)
  }

  /// The shortest digits of a positive double, and the power of ten of the first one.
  private static func decimal(_ value: Double) -> (digits: String, exponent: Int) {
    let parts = value.description.split(separator: "e")
    let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    let fraction = mantissa.count > 1 ? mantissa[1] : ""
    var exponent = (parts.count > 1 ? Int(parts[1]) ?? 0 : 0) + mantissa[0].count - 1
    var digits = (mantissa[0] + fraction)[...]
    while digits.first == "0", digits.count > 1 {
      digits = digits.dropFirst()
      exponent -= 1
    }
    while digits.last == "0", digits.count > 1 { digits = digits.dropLast() }
    return (String(digits), exponent)
  }

  /// A finite value times a power of ten, rounded to a whole number, ties to even; nil if it is so
  /// large that it has no digits to round.
  static func scaled(_ value: Double, decimals: Int) -> Int128? {
    precondition((0...20).contains(decimals), "\(decimals) decimals")
    // Zero has no exponent that fits.
    guard value != 0 else { return 0 }
    let shift = -(Int(value.exponent) - 52)
    guard shift > 0 else { return nil }
    // Below 2^53 times 10^20, which is below 2^120.
    var product = UInt128(value.significandBitPattern | (value.isNormal ? 1 << 52 : 0))
    for _ in 0..<decimals { product *= 10 }
    guard shift < 127 else { return 0 }
    var quotient = product >> UInt128(shift)
    let rest = product - (quotient << UInt128(shift))
    let half = UInt128(1) << UInt128(shift - 1)
    if rest > half || (rest == half && quotient % 2 == 1) { quotient += 1 }
    return value < 0 ? -Int128(quotient) : Int128(quotient)
  }

  /// A finite value with a number of decimals, as `%.2f` writes it; nil if it is too large.
  static func fixed(_ value: Double, decimals: Int) -> String? {
    guard let scaled = scaled(value, decimals: decimals) else { return nil }
    var digits = "\(scaled.magnitude)"
    digits = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
    let sign = value.sign == .minus ? "-" : ""
    return sign + digits.dropLast(decimals) + (decimals > 0 ? "." : "") + digits.suffix(decimals)
  }
}
