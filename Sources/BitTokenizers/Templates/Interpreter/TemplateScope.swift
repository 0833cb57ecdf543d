/// The names of a template, a macro, a turn of a loop.
struct TemplateScope {
  private var ids: [Int] = []
  private var values: [TemplateValue] = []
  /// The place of each name, in a scope that is too large to look through.
  private var places: [Int: Int]?
  /// The scope to look further in, which lies lower in the stack.
  let parent: Int?
  /// A number that no other scope had.
  let serial: Int

  init(parent: Int?, serial: Int) {
    self.parent = parent
    self.serial = serial
  }

  private func place(_ id: Int) -> Int? {
    if let places { return places[id] }
    return ids.firstIndex(of: id)
  }

  /// The value of a name.
  subscript(id: Int) -> TemplateValue? { place(id).map { values[$0] } }

  /// Sets the value of a name.
  mutating func set(_ id: Int, _ value: TemplateValue) {
    if let place = place(id) {
      values[place] = value
      return
    }
    ids.append(id)
    values.append(value)
    if places != nil {
      places?[id] = ids.count - 1
    } else if ids.count > 16 {
      places = Dictionary(uniqueKeysWithValues: ids.enumerated().map { ($1, $0) })
    }
  }

  /// Forgets all names.
  mutating func removeAll() {
    ids.removeAll(keepingCapacity: true)
    values.removeAll(keepingCapacity: true)
    places = nil
  }
}
