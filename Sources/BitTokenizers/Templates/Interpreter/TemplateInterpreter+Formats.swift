import BitCore
import BitFiles

// Python's formats of strings, as far as they need no widths.

extension TemplateInterpreter {
  /// `'%s of %d' % (a, b)`
  mutating func formatted(
    _ format: String, _ values: [TemplateValue]
  ) throws(InputError) -> String {
    var result = ""
    var values = values[...]
    var scalars = format.unicodeScalars[...]
    while let scalar = scalars.popFirst() {
      guard scalar == "%" else {
        result.unicodeScalars.append(scalar)
        continue
      }
      if scalars.first == "%" {
        scalars.removeFirst()
        result += "%"
        continue
      }
      var decimals = 6
      if scalars.first == "." {
        let digits = scalars.dropFirst().prefix { ("0"..."9").contains($0) }
        decimals = Int(String(digits)) ?? 99
        scalars = scalars[digits.endIndex...]
        if scalars.first != "f" { decimals = 99 }
      }
      guard let code = scalars.popFirst(), decimals <= 20, let value = values.popFirst() else {
        throw unsupported("a format that is not known, or too few values for it", "%s, %d or %.2f")
      }
      result += try formatted(value, code, decimals: decimals)
      try checkLength(result.utf8.count)
    }
    guard values.isEmpty else { throw mismatch("more values than a format has places", "as many") }
    return result
  }

  private mutating func formatted(
    _ value: TemplateValue, _ code: Unicode.Scalar, decimals: Int
  ) throws(InputError) -> String {
    switch code {
    case "s": return try text(value)
    case "d", "i":
      if let number = value.integerValue { return number.description }
      if case .float(let number) = value, let whole = Int128(exactly: number.rounded(.towardZero)) {
        return whole.description
      }
    case "f":
      if let number = value.doubleValue, number.isFinite,
        let text = TemplateText.fixed(number, decimals: decimals)
      {
        return text
      }
    default: throw unsupported("the format \"%\(code)\"", "%s, %d or %.2f")
    }
    throw mismatch("\(value.kindName) for the format \"%\(code)\"", "a number")
  }

  /// `'{} of {}'.format(a, b)`
  mutating func formatted(
    _ format: String, _ arguments: TemplateArguments
  ) throws(InputError) -> String {
    var result = ""
    var next = 0
    var scalars = format.unicodeScalars[...]
    while let scalar = scalars.popFirst() {
      if scalar == "{" || scalar == "}", scalars.first == scalar {
        scalars.removeFirst()
        result.unicodeScalars.append(scalar)
      } else if scalar == "{", let end = scalars.firstIndex(of: "}") {
        let name = String(scalars[..<end])
        scalars = scalars[scalars.index(after: end)...]
        let values = Array(arguments.values)
        let place = name.utf8.isEmpty ? next : Int(name)
        if name.utf8.isEmpty { next += 1 }
        let named = arguments.named.first { ByteKey($0.name) == ByteKey(name) }?.value
        guard let value = place.flatMap({ values.indices.contains($0) ? values[$0] : nil }) ?? named
        else {
          throw unsupported(
            "the place \(ErrorText.quoted("{\(name)}")) of a format", "a value for it")
        }
        result += try text(value)
        try checkLength(result.utf8.count)
      } else if scalar == "{" || scalar == "}" {
        throw mismatch("a single brace in a format", "two")
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
