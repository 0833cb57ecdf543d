import BitCore
import BitFiles

/// The names of Python's methods. A method wins over a member of the same name, as in Jinja, so
/// those that are not supported must be known too: calling them is an error.
enum TemplateMethods {
  private static let ofStrings: Set<String> = [
    "capitalize", "casefold", "center", "count", "encode", "endswith", "expandtabs", "find",
    "format", "format_map", "index", "isalnum", "isalpha", "isascii", "isdecimal", "isdigit",
    "isidentifier", "islower", "isnumeric", "isprintable", "isspace", "istitle", "isupper", "join",
    "ljust", "lower", "lstrip", "maketrans", "partition", "removeprefix", "removesuffix",
    "replace", "rfind", "rindex", "rjust", "rpartition", "rsplit", "rstrip", "split",
    "splitlines", "startswith", "strip", "swapcase", "title", "translate", "upper", "zfill",
  ]
  private static let ofMaps: Set<String> = [
    "clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "setdefault", "update",
    "values",
  ]
  private static let ofLists: Set<String> = [
    "append", "clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse",
    "sort",
  ]

  private static let ofNumbers: Set<String> = [
    "as_integer_ratio", "bit_count", "bit_length", "conjugate", "denominator", "from_bytes",
    "fromhex", "hex", "imag", "is_integer", "numerator", "real", "to_bytes",
  ]

  /// Whether values of this kind have a method of that name.
  static func has(_ name: String, _ value: TemplateValue) -> Bool {
    switch value {
    case .string, .safe: return ofStrings.contains(name)
    case .map: return ofMaps.contains(name)
    case .bool, .integer, .float: return ofNumbers.contains(name)
    case .list(let list):
      switch list.kind {
      case .list: return ofLists.contains(name)
      case .tuple, .range: return name == "count" || name == "index"
      case .view, .generator: return false
      }
    default: return false
    }
  }
}

extension TemplateInterpreter {
  /// Calls a method of a value.
  mutating func call(
    _ name: String, of value: TemplateValue, _ arguments: TemplateArguments
  ) throws(InputError) -> TemplateValue {
    var arguments = arguments
    let result: TemplateValue?
    switch value {
    case .string(let text): result = try call(name, ofString: text, &arguments)
    case .safe(let text): result = try call(name, ofSafe: text, &arguments)
    case .map(let map): result = try call(name, ofMap: map, &arguments)
    case .list(let list): result = try call(name, ofList: list, &arguments)
    default: result = nil
    }
    guard let result else {
      throw unsupported(
        "a call of the method \(ErrorText.quoted(name)) of \(value.kindName)",
        "a method that chat templates use, which changes nothing")
    }
    guard arguments.isEmpty else {
      throw mismatch("further arguments of the method \(ErrorText.quoted(name))", "fewer")
    }
    return result
  }

  /// A method of a safe string gives safe strings, and writes out what it adds to it.
  private mutating func call(
    _ name: String, ofSafe text: String, _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateValue? {
    switch name {
    case "join", "format": return nil
    case "replace" where arguments.values.count >= 2:
      let place = arguments.values.startIndex + 1
      arguments.values[place] = .string(TemplateText.escaped(arguments.values[place]))
    case "replace": return nil
    default: break
    }
    return try call(name, ofString: text, &arguments).map(Self.safe)
  }

  private static func safe(_ value: TemplateValue) -> TemplateValue {
    switch value {
    case .string(let text): .safe(text)
    case .list(let list):
      .list(TemplateList(list.elements.map(safe), list.kind, depth: list.depth))
    default: value
    }
  }

  private mutating func call(
    _ name: String, ofMap map: TemplateMap, _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateValue? {
    switch name {
    case "get":
      let key = arguments.take("key")
      let standard = arguments.take("default") ?? .none
      guard let key else { throw mismatch("no key in a call of \"get\"", "a key") }
      return key.stringValue.flatMap { map[$0] } ?? standard
    case "keys": return try newList(map.members.map { .string($0.key) }, .view("keys"))
    case "values": return try newList(map.members.map(\.value), .view("values"))
    case "items": return try items(of: map, .view("items"))
    case "copy": return .map(map)
    default: return nil
    }
  }

  /// A tuple of key and value for each member.
  mutating func items(
    of map: TemplateMap, _ kind: TemplateList.Kind
  ) throws(InputError) -> TemplateValue {
    try charge(64 * map.members.count)
    return try newList(map.members.map { .tuple([.string($0.key), $0.value]) }, kind)
  }

  private mutating func call(
    _ name: String, ofList list: TemplateList, _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateValue? {
    switch name {
    case "copy": return .list(list)
    case "count", "index":
      guard let value = arguments.take("value") else {
        throw mismatch("no value in a call of \"\(name)\"", "a value")
      }
      var count = 0
      for (place, element) in list.elements.enumerated() where try areEqual(element, value) {
        if name == "index" { return .integer(Int128(place)) }
        count += 1
      }
      if name == "index" { throw mismatch("a value that is not in the list", "one that is") }
      return .integer(Int128(count))
    default: return nil
    }
  }
}
