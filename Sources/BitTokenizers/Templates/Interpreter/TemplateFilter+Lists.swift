import BitCore
import BitFiles

// Filters of lists.

extension TemplateInterpreter {
  mutating func list(
    _ filter: TemplateFilter, _ value: TemplateValue, _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateValue {
    switch filter {
    case .list: return try newList(elements(of: value))
    case .first: return try first(of: value)
    case .last, .reverse: return try reversed(value, onlyFirst: filter == .last)
    case .join: return .string(try join(value, &arguments))
    case .map: return try map(value, &arguments)
    case .select, .reject, .selectattr, .rejectattr: return try select(filter, value, &arguments)
    case .dictsort: return try dictsort(value, &arguments)
    case .sort: return try sorted(value, &arguments)
    case .min, .max: return try extreme(value, isLargest: filter == .max, &arguments)
    case .sum: return try sum(value, &arguments)
    case .unique: return try unique(value, &arguments)
    case .batch: return try batch(value, &arguments)
    default: throw unsupported("the filter \"\(filter.rawValue)\"", "another one")
    }
  }

  private mutating func first(of value: TemplateValue) throws(InputError) -> TemplateValue {
    if case .list(let list) = value, case .generator(let number) = list.kind {
      let taken = generators[number]
      guard taken < list.elements.count else { return .undefined("first element") }
      generators[number] = taken + 1
      return list.elements[taken]
    }
    if let text = value.stringValue {
      guard let scalar = text.unicodeScalars.first else { return .undefined("first character") }
      return .string(String(scalar))
    }
    return try elements(of: value).first ?? .undefined("first element")
  }

  private mutating func reversed(
    _ value: TemplateValue, onlyFirst: Bool
  ) throws(InputError) -> TemplateValue {
    if let text = value.stringValue {
      guard !onlyFirst else {
        return text.unicodeScalars.last.map { .string(String($0)) } ?? .undefined("last character")
      }
      try charge(4 * text.utf8.count)
      var reversed = String.UnicodeScalarView()
      reversed.append(contentsOf: text.unicodeScalars.reversed())
      return .string(String(reversed))
    }
    if case .list(let list) = value, list.isGenerator, onlyFirst {
      throw mismatch("the last element of \(value.kindName)", "a list")
    }
    let elements = try elements(of: value)
    if onlyFirst { return elements.last ?? .undefined("last element") }
    return try newGenerator(elements.reversed())
  }

  private mutating func join(
    _ value: TemplateValue, _ arguments: inout TemplateArguments
  ) throws(InputError) -> String {
    let separator = try arguments.take("d").map { (value) throws(InputError) in try text(value) }
    guard let attribute = arguments.take("attribute") else {
      return try joined(value, by: separator ?? "", acceptsAll: true)
    }
    var members: [TemplateValue] = []
    for element in try elements(of: value) { members.append(try member(attribute, of: element)) }
    return try joined(.list(members), by: separator ?? "", acceptsAll: true)
  }

  /// The elements of a list with a text between them; all are printed, or must be strings.
  mutating func joined(
    _ value: TemplateValue, by separator: String, acceptsAll: Bool
  ) throws(InputError) -> String {
    var result = ""
    for (place, element) in try elements(of: value).enumerated() {
      guard acceptsAll || element.stringValue != nil else {
        throw mismatch("\(element.kindName) in a list to join", "a string")
      }
      if place > 0 { result += separator }
      result += try text(element)
      if result.utf8.count > limits.output { try checkLength(result.utf8.count) }
    }
    try checkLength(result.utf8.count)
    return result
  }

  /// A member by its name, "a.b" for a member of a member, or its index.
  mutating func member(
    _ attribute: TemplateValue, of value: TemplateValue
  ) throws(InputError) -> TemplateValue {
    guard let path = attribute.stringValue else { return try item(attribute, of: value) }
    var value = value
    for name in path.split(separator: ".", omittingEmptySubsequences: false) {
      let isIndex = !name.isEmpty && name.utf8.allSatisfy { (0x30...0x39).contains($0) }
      let index = isIndex ? Int128(name).map { TemplateValue.integer($0) } : nil
      value = try item(index ?? .string(String(name)), of: value)
    }
    return value
  }

  private mutating func map(
    _ value: TemplateValue, _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateValue {
    var mapped: [TemplateValue] = []
    if arguments.values.isEmpty {
      guard let attribute = arguments.take("attribute") else {
        throw mismatch("the filter \"map\" without arguments", "a filter or attribute=")
      }
      let standard = arguments.take("default")
      for element in try elements(of: value) {
        let member = try member(attribute, of: element)
        mapped.append(member.isUndefined ? standard ?? member : member)
      }
      return try newGenerator(mapped)
    }
    guard let name = arguments.take("filter")?.stringValue, let filter = TemplateFilter(name) else {
      throw unsupported("this filter to map by", "the name of a filter that chat templates use")
    }
    let rest = arguments
    arguments = TemplateArguments()
    try enter()
    defer { leave() }
    for element in try elements(of: value) {
      try countStep()
      mapped.append(try apply(filter, to: element, rest))
    }
    return try newGenerator(mapped)
  }

  private mutating func select(
    _ filter: TemplateFilter, _ value: TemplateValue, _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateValue {
    let keeps = filter == .select || filter == .selectattr
    let attribute =
      filter == .selectattr || filter == .rejectattr ? arguments.take("attribute") : nil
    if filter == .selectattr || filter == .rejectattr, attribute == nil {
      throw mismatch("the filter \"\(filter.rawValue)\" without a member", "the name of a member")
    }
    var test: TemplateTest?
    if let name = arguments.take("test") {
      test = name.stringValue.flatMap { TemplateTest($0) }
      if test == nil { throw unsupported("this test to select by", "the name of a known test") }
    }
    let rest = arguments
    arguments = TemplateArguments()
    var selected: [TemplateValue] = []
    for element in try elements(of: value) {
      try countStep()
      let tested = try attribute.map { (name) throws(InputError) in
        try member(name, of: element)
      }
      let passes = try test.map { (test) throws(InputError) in
        try self.test(test, tested ?? element, rest)
      }
      if (passes ?? (tested ?? element).isTrue) == keeps { selected.append(element) }
    }
    return try newGenerator(selected)
  }

  private mutating func sum(
    _ value: TemplateValue, _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateValue {
    let attribute = arguments.take("attribute") ?? .none
    var sum = arguments.take("start") ?? .integer(0)
    for element in try elements(of: value) {
      try countStep()
      if case .none = attribute {
        sum = try apply(.add, sum, element)
      } else {
        sum = try apply(.add, sum, member(attribute, of: element))
      }
    }
    return sum
  }

  private mutating func batch(
    _ value: TemplateValue, _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateValue {
    let size = try integer(&arguments, "linecount", 0)
    let fill = arguments.take("fill_with") ?? .none
    guard (1...limits.turns).contains(size) else {
      throw mismatch("batches of \(size)", "1 to \(limits.turns)")
    }
    let elements = try elements(of: value)
    var batches: [TemplateValue] = []
    var start = 0
    while start < elements.count {
      var batch = Array(elements[start..<min(start + size, elements.count)])
      if case .none = fill {
      } else {
        batch += repeatElement(fill, count: size - batch.count)
      }
      batches.append(try newList(batch))
      start += size
    }
    return try newGenerator(batches)
  }
}
