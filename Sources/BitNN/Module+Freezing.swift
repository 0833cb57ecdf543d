extension Module {
  /// Freezes parameters: training leaves them as they are, without updates, weight decay or
  /// momentum, until ``unfreeze(where:)``. They are saved and loaded like all others.
  ///
  /// ```swift
  /// model.freeze { name in name.hasPrefix("embedding.") }
  /// ```
  ///
  /// - Parameter isIncluded: says, by name, which parameters to freeze; all of them by default.
  public mutating func freeze(where isIncluded: (_ name: String) -> Bool = { _ in true }) {
    changeFrozen(where: isIncluded) { $0.formUnion($1) }
  }

  /// Lets training change parameters again.
  ///
  /// - Parameter isIncluded: says, by name, which parameters to free; all of them by default.
  public mutating func unfreeze(where isIncluded: (_ name: String) -> Bool = { _ in true }) {
    changeFrozen(where: isIncluded) { $0.subtract($1) }
  }

  /// The names of all frozen parameters, in the order of the model.
  public var frozenNames: [String] {
    var names: [String] = []
    var copy = self
    copy.visitParameters { visitor, name, _, _ in
      if visitor.frozen.contains(name) { names.append(visitor.fullName(name)) }
    }
    return names
  }

  private mutating func changeFrozen(
    where isIncluded: (String) -> Bool, _ change: (inout Set<String>, Set<String>) -> Void
  ) {
    var chosen: [String: Set<String>] = [:]
    visitParameters { visitor, name, _, _ in
      if isIncluded(visitor.fullName(name)) { chosen[visitor.path, default: []].insert(name) }
    }
    withoutActuallyEscaping(change) { change in
      let visitor = ModuleVisitor(freezing: { path, frozen in
        var frozen = frozen
        change(&frozen, chosen[path] ?? [])
        return frozen
      })
      visitor.visit(&self, gradient: nil)
    }
  }
}
