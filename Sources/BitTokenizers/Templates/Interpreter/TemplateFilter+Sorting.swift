import BitCore
import BitFiles

// Filters that sort.

/// What values are sorted by.
struct TemplateSortKey {
  var attribute: TemplateValue?
  var isCaseSensitive = false
}

/// A value to sort by: all of one list must be of one kind.
private enum SortValue: Comparable, Hashable {
  case number(Double)
  case text(ByteKey)
}

extension TemplateInterpreter {
  /// The parameters `case_sensitive` and `attribute`, as far as they are given.
  mutating func sortKey(
    _ arguments: inout TemplateArguments
  ) -> TemplateSortKey {
    var key = TemplateSortKey()
    key.isCaseSensitive = arguments.take("case_sensitive")?.isTrue ?? false
    if let attribute = arguments.take("attribute") {
      if case .none = attribute {} else { key.attribute = attribute }
    }
    return key
  }

  mutating func sorted(
    _ value: TemplateValue, _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateValue {
    let isReversed = arguments.take("reverse")?.isTrue ?? false
    let key = sortKey(&arguments)
    let elements = try elements(of: value)
    let order = try order(sortValues(elements, key), isReversed: isReversed)
    return try newList(order.map { elements[$0] })
  }

  mutating func dictsort(
    _ value: TemplateValue, _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateValue {
    guard case .map(let map) = value else {
      throw mismatch("\(value.kindName) for the filter \"dictsort\"", "a map")
    }
    var key = TemplateSortKey()
    key.isCaseSensitive = arguments.take("case_sensitive")?.isTrue ?? false
    let by = try string(&arguments, "by", isOptional: true) ?? "key"
    let isReversed = arguments.take("reverse")?.isTrue ?? false
    guard by == "key" || by == "value" else { throw mismatch("this \"by\"", "key or value") }
    let values = map.members.map { by == "key" ? .string($0.key) : $0.value }
    let order = try order(sortValues(values, key), isReversed: isReversed)
    let items = order.map { place -> TemplateValue in
      .tuple([.string(map.members[place].key), map.members[place].value])
    }
    try charge(64 * items.count)
    return try newList(items)
  }

  /// The filters `min` and `max`. Of equal values, both take the first.
  mutating func extreme(
    _ value: TemplateValue, isLargest: Bool, _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateValue {
    let key = sortKey(&arguments)
    let elements = try elements(of: value)
    let values = try sortValues(elements, key)
    var best = 0
    for place in values.indices.dropFirst()
    where isLargest ? values[best] < values[place] : values[place] < values[best] { best = place }
    return elements.isEmpty ? .undefined("element") : elements[best]
  }

  mutating func unique(
    _ value: TemplateValue, _ arguments: inout TemplateArguments
  ) throws(InputError) -> TemplateValue {
    let key = sortKey(&arguments)
    var seen: Set<SortValue> = []
    var unique: [TemplateValue] = []
    for element in try elements(of: value)
    where seen.insert(try sortValue(element, key)).inserted { unique.append(element) }
    return try newGenerator(unique)
  }

  private mutating func sortValues(
    _ elements: [TemplateValue], _ key: TemplateSortKey
  ) throws(InputError) -> [SortValue] {
    var values: [SortValue] = []
    for element in elements {
      let value = try sortValue(element, key)
      switch (values.first, value) {
      case (.number, .text), (.text, .number):
        throw mismatch("a list of numbers and strings to sort", "a list of one kind")
      default: values.append(value)
      }
    }
    return values
  }

  private mutating func sortValue(
    _ element: TemplateValue, _ key: TemplateSortKey
  ) throws(InputError) -> SortValue {
    try countStep()
    let value =
      try key.attribute.map { (name) throws(InputError) in
        try member(name, of: element)
      } ?? element
    if let text = value.stringValue {
      try charge(32 * text.utf8.count)
      return .text(ByteKey(key.isCaseSensitive ? text : TemplateText.lowercased(text)))
    }
    guard let number = value.doubleValue, !number.isNaN, number.magnitude <= 0x1p53 else {
      throw unsupported("\(value.kindName) to sort or compare by", "a number or a string")
    }
    return .number(number)
  }

  /// The order of values; equal ones stay in theirs.
  private mutating func order(
    _ values: [SortValue], isReversed: Bool
  ) throws(InputError) -> [Int] {
    // Strings with a long common beginning are what makes sorting slow.
    let bytes = values.reduce(0) { sum, value in
      if case .text(let text) = value { sum + text.string.utf8.count + 64 } else { sum + 64 }
    }
    try charge(bytes * (Int.bitWidth - values.count.leadingZeroBitCount))
    return values.indices.sorted { a, b in
      if values[a] == values[b] { return a < b }
      return isReversed ? values[b] < values[a] : values[a] < values[b]
    }
  }
}
