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
    var check = ChildrenCheck()
    try check.collect(self, gradient: gradient, owner: "", path: [])
    var copy = self
    copy.visitParameters(gradient: gradient) { visitor, name, value, gradient in
      check.visits.append(
        ChildrenCheck.Visit(name: visitor.fullName(name), value: value, gradient: gradient))
    }
    try check.compareVisits(of: "\(Self.self)")
    if gradient != nil { try check.compareGradients() }
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
  /// A property, with the name of the type that has it, or an element of an array.
  typealias Step = (owner: String, label: String)

  /// A parameter found by reflection.
  struct Property {
    let path: [Step]
    let value: Tensor
    let gradient: Tensor?
    /// The property itself.
    var step: Step { path[path.count - 1] }
  }

  /// A parameter shown by `visitChildren`.
  struct Visit {
    let name: String
    let value: Tensor
    let gradient: Tensor?
  }

  private var properties: [Property] = []
  var visits: [Visit] = []

  /// Collects the parameters of `value` and of what is stored in it.
  mutating func collect(
    _ value: Any, gradient: Any?, owner: String, path: [Step]
  ) throws(InputError) {
    let mirror = Mirror(reflecting: value)
    let gradients = gradient.map { Array(Mirror(reflecting: $0).children) } ?? []
    if mirror.displayStyle == .optional {
      for child in mirror.children {
        try collect(child.value, gradient: gradients.first?.value, owner: owner, path: path)
      }
    } else if mirror.displayStyle == .collection {
      for (index, child) in mirror.children.enumerated() {
        try collect(
          child.value, gradient: index < gradients.count ? gradients[index].value : nil,
          owner: owner, path: path + [(owner, "\(index)")])
      }
    } else if let tensor = value as? Tensor {
      if tensor.count > 0 {
        properties.append(Property(path: path, value: tensor, gradient: gradient as? Tensor))
      }
    } else if value is any FloatingPoint {
      throw mistake(
        path[path.count - 1], "to be a number, which has a gradient but cannot be trained",
        "a Tensor, or @noDerivative")
    } else if let value = value as? any Differentiable {
      let owner = "\(type(of: value))"
      let labels = Self.differentiableProperties(of: value)
      for (label, child) in mirror.children {
        guard let label, labels.contains(label) else { continue }
        try collect(
          child, gradient: gradients.first { $0.label == label }?.value, owner: owner,
          path: path + [(owner, label)])
      }
    }
  }

  /// The stored properties that are not `@noDerivative`: the compiler gives each a namesake in the
  /// type of gradients.
  private static func differentiableProperties<D: Differentiable>(of value: D) -> Set<String> {
    Set(Mirror(reflecting: D.TangentVector.zero).children.compactMap(\.label))
  }

  func compareVisits(of model: String) throws(InputError) {
    let names = Dictionary(grouping: visits, by: \.name)
    if let name = visits.first(where: { names[$0.name]?.count != 1 })?.name {
      throw InputError(
        .mismatch, source: model, found: "two parameters named \(name)",
        expected: "a name of its own for each in visitChildren")
    }
    let shown = Dictionary(grouping: visits, by: \.value.pointer).mapValues { $0.map(\.name) }
    let sharing = Dictionary(grouping: properties, by: \.value.pointer)
    for property in properties {
      let pointer = property.value.pointer
      let (names, sharing) = (shown[pointer] ?? [], sharing[pointer] ?? [])
      if names.count > sharing.count {
        throw mistake(
          property.step, "visited as \(names.joined(separator: " and "))",
          "one visit in visitChildren")
      }
      if names.count < sharing.count {
        // Of properties that share their storage, one whose name was not shown.
        let property = sharing.first { !names.contains(Self.name($0.path[...])) } ?? property
        // The outermost value around it of which nothing is shown.
        let depth = property.path.indices.first { depth in
          let prefix = Self.name(property.path[...depth])
          return properties.allSatisfy {
            Self.name($0.path.prefix(depth + 1)) != prefix || shown[$0.value.pointer] == nil
          }
        }
        let step = depth.map { property.path[$0] } ?? property.step
        throw mistake(
          step, "not visited",
          "visit(\"\(step.label)\", &\(step.label), gradient?.\(step.label)) in visitChildren")
      }
    }
  }

  func compareGradients() throws(InputError) {
    func present(_ gradient: Tensor?) -> Tensor? { gradient.flatMap { $0.count > 0 ? $0 : nil } }
    for visit in visits {
      // More than one where properties share their storage.
      let properties = properties.filter { $0.value.pointer == visit.value.pointer }
      guard let property = properties.first else { continue }
      let given = present(visit.gradient)
      if properties.contains(where: { present($0.gradient)?.pointer == given?.pointer }) {
        continue
      }
      let other = self.properties.first { given != nil && $0.gradient?.pointer == given?.pointer }
      guard
        let found = other.map({ "the gradient of \(Self.name($0.path[...]))" })
          ?? (given == nil ? "no gradient" : nil)
          ?? (given?.shape == visit.value.shape ? nil : "a gradient of shape \(given?.shape ?? [])")
      else { continue }
      throw mistake(property.step, "visited with \(found)", "gradient?.\(property.step.label)")
    }
  }

  private func mistake(_ step: Step, _ found: String, _ expected: String) -> InputError {
    InputError(
      .mismatch, source: step.owner, found: "its property \(step.label) \(found)",
      expected: expected)
  }

  private static func name(_ path: ArraySlice<Step>) -> String {
    path.map(\.label).joined(separator: ".")
  }
}
