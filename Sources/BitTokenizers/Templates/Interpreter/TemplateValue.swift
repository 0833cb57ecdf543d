import BitFiles

/// A value of the template language: Python's values, as far as templates use them.
///
/// Loops and namespaces, which change, belong to the interpreter; a value holds their number. So no
/// value can contain itself, and freeing one never recurses deeper than ``depth``.
enum TemplateValue: Sendable {
  /// A name or member that does not exist; its name, for errors.
  case undefined(String)
  case none
  case bool(Bool)
  case integer(Int128)
  case float(Double)
  case string(String)
  /// A string marked as safe HTML. Joining it by `+` escapes the other side, as in Jinja.
  case safe(String)
  case list(TemplateList)
  case map(TemplateMap)
  /// The number of a namespace.
  case namespace(Int)
  /// The number of a loop.
  case loop(Int)
  case function(TemplateFunction)
}

/// What can be called.
indirect enum TemplateFunction: Sendable {
  /// A function that is always there.
  case global(TemplateGlobal)
  /// The number of a macro.
  case macro(Int)
  /// A method with the value that it belongs to.
  case method(TemplateValue, String)
}

extension TemplateValue {
  /// The text of a string, marked as safe or not.
  var stringValue: String? {
    switch self {
    case .string(let text), .safe(let text): text
    default: nil
    }
  }

  /// The whole number; in Python, true is 1 and false is 0.
  var integerValue: Int128? {
    switch self {
    case .integer(let value): value
    case .bool(let value): value ? 1 : 0
    default: nil
    }
  }

  /// The number.
  var doubleValue: Double? {
    if case .float(let value) = self { value } else { integerValue.map { Double($0) } }
  }

  var isUndefined: Bool {
    if case .undefined = self { true } else { false }
  }

  /// How many lists and maps are inside one another at the deepest place.
  var depth: Int {
    switch self {
    case .list(let list): list.depth
    case .map(let map): map.depth
    case .function(.method(let value, _)): value.depth + 1
    default: 0
    }
  }

  /// Whether `if` takes it for true.
  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .bool(let value): value
    case .integer(let value): value != 0
    case .float(let value): value != 0
    case .string(let text), .safe(let text): !text.utf8.isEmpty
    case .list(let list): list.isGenerator || !list.elements.isEmpty
    case .map(let map): !map.members.isEmpty
    case .namespace, .loop, .function: true
    }
  }

  /// What kind of value it is, for errors.
  var kindName: String {
    switch self {
    case .undefined(let name): "\(ErrorText.quoted(name)), which is undefined"
    case .none: "none"
    case .bool: "a truth value"
    case .integer: "an integer"
    case .float: "a number"
    case .string, .safe: "a string"
    case .list(let list): list.kindName
    case .map: "a map"
    case .namespace: "a namespace"
    case .loop: "a loop"
    case .function: "a function"
    }
  }

  /// A list of elements.
  static func list(_ elements: [TemplateValue]) -> TemplateValue { .list(TemplateList(elements)) }
  /// A tuple of elements.
  static func tuple(_ elements: [TemplateValue]) -> TemplateValue {
    .list(TemplateList(elements, .tuple))
  }
}

/// Values in order: a list, or what else Python goes through.
struct TemplateList: Sendable {
  enum Kind: Sendable, Equatable {
    case list
    case tuple
    case range
    /// A view of a map: "keys", "values" or "items".
    case view(String)
    /// What filters such as `map` give: it can be gone through once, and has no length. The number
    /// is the interpreter's, to remember how far it was gone through.
    case generator(Int)
  }

  let elements: [TemplateValue]
  let kind: Kind
  /// One more than the depth of the deepest element.
  let depth: Int

  init(_ elements: [TemplateValue], _ kind: Kind = .list) {
    self.init(elements, kind, depth: (elements.lazy.map(\.depth).max() ?? 0) + 1)
  }

  /// A list of elements from one whose depth is known.
  init(_ elements: [TemplateValue], _ kind: Kind, depth: Int) {
    self.elements = elements
    self.kind = kind
    self.depth = depth
  }

  var isGenerator: Bool {
    if case .generator = kind { true } else { false }
  }

  /// What kind of value it is, for errors.
  var kindName: String {
    switch kind {
    case .list: "a list"
    case .tuple: "a tuple"
    case .range: "a range"
    case .view(let name): "the \(name) of a map"
    case .generator: "the result of a filter without \"| list\""
    }
  }
}

/// Keys with values in order; keys are compared by their bytes.
struct TemplateMap: Sendable {
  private(set) var members: [(key: String, value: TemplateValue)] = []
  /// One more than the depth of the deepest value.
  private(set) var depth = 1
  /// The place of each key, in a map that is too large to look through.
  private var places: [ByteKey: Int]?

  init() {}

  /// The place of a key.
  private func place(_ key: String) -> Int? {
    if let places { return places[ByteKey(key)] }
    return members.firstIndex { ByteKey($0.key) == ByteKey(key) }
  }

  /// The value of a key. Setting one that is there keeps its place.
  subscript(key: String) -> TemplateValue? {
    place(key).map { members[$0].value }
  }

  /// Sets the value of a key; one that is there keeps its place.
  mutating func set(_ key: String, _ value: TemplateValue) {
    depth = max(depth, value.depth + 1)
    if let place = place(key) {
      members[place].value = value
      return
    }
    members.append((key, value))
    if places != nil {
      places?[ByteKey(key)] = members.count - 1
    } else if members.count > 8 {
      places = Dictionary(
        uniqueKeysWithValues: members.enumerated().map { (ByteKey($1.key), $0) })
    }
  }
}

extension TemplateValue {
  /// The value of a JSON value; nil if arrays and objects in it are nested deeper than `depth`.
  init?(_ json: JSONValue, depth: Int) {
    guard depth >= 0 else { return nil }
    switch json {
    case .null: self = .none
    case .bool(let value): self = .bool(value)
    case .integer(let value): self = .integer(Int128(value))
    case .number(let value): self = .float(value)
    case .string(let text): self = .string(text)
    case .array(let values):
      var elements: [TemplateValue] = []
      elements.reserveCapacity(values.count)
      for value in values {
        guard let element = TemplateValue(value, depth: depth - 1) else { return nil }
        elements.append(element)
      }
      self = .list(elements)
    case .object(let object):
      var map = TemplateMap()
      for member in object {
        guard let value = TemplateValue(member.value, depth: depth - 1) else { return nil }
        map.set(member.key, value)
      }
      self = .map(map)
    }
  }
}
