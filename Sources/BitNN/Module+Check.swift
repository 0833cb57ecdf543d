import BitCore
import _Differentiation

extension Module {
  /// Checks that `visitChildren` shows what the model has: every parameter once, under a name of
  /// its own, with its own gradient.
  ///
  /// It is called at the first update of an optimizer and at the start of a `Trainer`'s run, and
  /// before a model is saved, loaded, quantized or packed, and costs microseconds per layer. It
  /// compares the parameters that are visited with the stored properties, seen by reflection, of
  /// the model and of everything in it that can be differentiated.
  ///
  /// Noticed are:
  /// - a property with parameters that is not visited, and one that is visited twice;
  /// - two parameters of one name;
  /// - a property of type Float or Double, or an array of them, that is not `@noDerivative`: it has
  ///   a gradient, but cannot be visited and so would not be trained;
  /// - with a gradient: one that is missing, that belongs to another property or that has another
  ///   shape than its parameter.
  ///
  /// Not noticed are properties that are `@noDerivative`, children without parameters (such as
  /// ``Dropout``), a wrong pair while the two gradients are zero or share their storage, and a
  /// property visited in place of another while both share their storage, as copies do until one
  /// is changed. A gradient that `visitChildren` computes is only compared by shape.
  ///
  /// - Throws: `InputError` that names the type and its property and says what to write.
  public func checkChildren(gradient: TangentVector? = nil) throws(InputError) {
    var check = ChildrenCheck(Self.self)
    check.collect(self, gradient: gradient, owner: "", path: [])
    var copy = self
    copy.visitParameters(gradient: gradient) { visitor, name, value, gradient in
      check.visits.append(.init(name: visitor.fullName(name), value: value, gradient: gradient))
    }
    if let error = check.error(hasGradient: gradient != nil) { throw error }
  }

  /// ``checkChildren(gradient:)`` for functions that do not throw: a wrong `visitChildren` is a
  /// programmer's mistake. Not a precondition, whose message an optimized program does not print.
  func requireChildren(gradient: TangentVector? = nil) {
    do {
      try checkChildren(gradient: gradient)
    } catch {
      fatalError("\(error)")
    }
  }
}

/// What a model has and what it shows. Tensors are identified by their storage, which visiting
/// neither copies nor changes.
private struct ChildrenCheck {
  /// One step from a value to a value in it.
  struct Step {
    /// The type that has the property, for messages.
    let owner: String
    /// The property's name, or an index in an array.
    let label: String
  }

  /// A parameter found by reflection.
  struct Property {
    let path: [Step]
    let value: Tensor
    let gradient: Tensor?
    var name: String { path.map(\.label).joined(separator: ".") }
  }

  /// A parameter shown by `visitChildren`.
  struct Visit {
    let name: String
    let value: Tensor
    let gradient: Tensor?
  }

  private let model: String
  private var properties: [Property] = []
  private var scalar: [Step]?
  var visits: [Visit] = []

  init(_ model: Any.Type) { self.model = "\(model)" }

  // MARK: - Reflection

  /// Collects the parameters of `value` and of what is stored in it.
  mutating func collect(_ value: Any, gradient: Any?, owner: String, path: [Step]) {
    let mirror = Mirror(reflecting: value)
    // An optional would pass as what it wraps, but its gradient would not.
    if mirror.displayStyle != .optional {
      if let tensor = value as? Tensor {
        properties.append(Property(path: path, value: tensor, gradient: gradient as? Tensor))
        return
      }
      if value is any FloatingPoint { scalar = scalar ?? path }
    }
    let parts = gradient.map { Array(Mirror(reflecting: $0).children) } ?? []
    switch mirror.displayStyle {
    case .optional:
      for child in mirror.children {
        collect(child.value, gradient: parts.first?.value, owner: owner, path: path)
      }
    case .collection:
      for (index, child) in mirror.children.enumerated() {
        collect(
          child.value, gradient: index < parts.count ? parts[index].value : nil, owner: owner,
          path: path + [Step(owner: owner, label: "\(index)")])
      }
    default:
      guard let value = value as? any Differentiable else { return }
      let labels = Self.differentiableProperties(of: value)
      for (label, child) in mirror.children {
        guard let label, labels.contains(label) else { continue }
        let type = "\(type(of: value))"
        collect(
          child, gradient: parts.first { $0.label == label }?.value, owner: type,
          path: path + [Step(owner: type, label: label)])
      }
    }
  }

  /// The stored properties that are not `@noDerivative`: the compiler gives each a namesake in the
  /// type of gradients.
  private static func differentiableProperties<D: Differentiable>(of value: D) -> Set<String> {
    Set(Mirror(reflecting: D.TangentVector.zero).children.compactMap(\.label))
  }

  // MARK: - Comparison

  func error(hasGradient: Bool) -> InputError? {
    scalarError ?? nameError ?? visitError ?? (hasGradient ? gradientError : nil)
  }

  private var scalarError: InputError? {
    scalar.flatMap(\.last).map {
      error(
        $0, "its property \($0.label), a number that has a gradient but cannot be trained",
        "a Tensor, or @noDerivative")
    }
  }

  private var nameError: InputError? {
    var names = Set<String>()
    return visits.first { !names.insert($0.name).inserted }.map {
      InputError(
        .mismatch, source: model, found: "two parameters named \($0.name)",
        expected: "a name of its own for each that visitChildren shows")
    }
  }

  private var visitError: InputError? {
    let shown = Dictionary(grouping: visits, by: \.value.pointer)
    let present = Dictionary(
      grouping: properties.filter { $0.value.count > 0 }, by: \.value.pointer)
    for property in properties where property.value.count > 0 {
      let names = (shown[property.value.pointer] ?? []).map(\.name)
      let sharing = present[property.value.pointer] ?? []
      if names.count > sharing.count, let step = property.path.last {
        return error(
          step, "its property \(step.label) visited as \(names.joined(separator: " and "))",
          "one visit in visitChildren")
      }
      if names.count < sharing.count {
        let other = sharing.first { !names.contains($0.name) }
        return forgotten(other ?? property, shown: Set(shown.keys))
      }
    }
    return nil
  }

  /// The error for the outermost value around `property` of which nothing is visited.
  private func forgotten(
    _ property: Property, shown: Set<UnsafePointer<Float>>
  ) -> InputError? {
    func isForgotten(_ depth: Int) -> Bool {
      let prefix = property.path[...depth].map(\.label)
      return properties.allSatisfy {
        $0.path.prefix(depth + 1).map(\.label) != prefix || $0.value.count == 0
          || !shown.contains($0.value.pointer)
      }
    }
    let depth = property.path.indices.first(where: isForgotten) ?? property.path.count - 1
    guard property.path.indices.contains(depth) else { return nil }
    let step = property.path[depth]
    return error(
      step, "no visit of its property \(step.label)",
      "visit(\"\(step.label)\", &\(step.label), gradient?.\(step.label)) in visitChildren")
  }

  private var gradientError: InputError? {
    let owners = Dictionary(
      properties.compactMap { property in
        property.gradient.flatMap { $0.count > 0 ? ($0.pointer, property) : nil }
      }, uniquingKeysWith: { first, _ in first })
    for visit in visits {
      // More than one where properties share their storage.
      let properties = properties.filter { $0.value.pointer == visit.value.pointer }
      let step = properties.first?.path.last ?? Step(owner: model, label: visit.name)
      guard let given = visit.gradient, given.count > 0 else {
        if properties.isEmpty || properties.contains(where: { ($0.gradient?.count ?? 0) == 0 }) {
          continue
        }
        return error(
          step, "no gradient in the visit of its property \(step.label)", "gradient?.\(step.label)")
      }
      if properties.contains(where: { $0.gradient?.pointer == given.pointer }) { continue }
      if let other = owners[given.pointer] {
        return error(
          step, "the gradient of \(other.name) in the visit of its property \(step.label)",
          "gradient?.\(step.label)")
      }
      if given.shape != visit.value.shape {
        return error(
          step, "a gradient of shape \(given.shape) in the visit of its property \(step.label)",
          "\(visit.value.shape)")
      }
    }
    return nil
  }

  private func error(_ step: Step, _ found: String, _ expected: String) -> InputError {
    InputError(.mismatch, source: step.owner, found: found, expected: expected)
  }
}
