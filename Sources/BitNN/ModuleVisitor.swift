import BitCore
import _Differentiation

/// What is done at each parameter and layer of a module; see ``Module``.
public struct ModuleVisitor {
  /// The name of the module being visited, empty for the whole model.
  public private(set) var path = ""
  /// The frozen parameters of the module being visited, by their names in it.
  private(set) var frozen: Set<String> = []

  /// Called with each parameter; `visitor` is that of the module that has the parameter.
  var parameter:
    (
      (_ visitor: ModuleVisitor, _ name: String, _ value: inout Tensor, _ gradient: Tensor?) -> Void
    )?
  var linear: ((_ name: String, _ layer: inout Linear) -> Void)?
  var bitLinear: ((_ name: String, _ layer: inout BitLinear) -> Void)?
  /// Gives the new frozen parameters of the module at a path.
  var freezing: ((_ path: String, _ frozen: Set<String>) -> Set<String>)?

  /// The name in the whole model of a parameter or child of the module being visited.
  func fullName(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

  /// Calls the module's `visitChildren`.
  func visit<M: Module>(_ module: inout M, gradient: M.TangentVector?) {
    var visitor = self
    visitor.frozen = module.frozenParameters
    module.visitChildren(visitor, gradient: gradient)
    if let changed = freezing?(path, visitor.frozen), changed != visitor.frozen {
      module.frozenParameters = changed
    }
  }

  /// Visits a parameter.
  public func callAsFunction(_ name: String, _ parameter: inout Tensor, _ gradient: Tensor?) {
    self.parameter?(self, name, &parameter, gradient)
  }

  /// Visits a parameter that may be absent.
  public func callAsFunction(
    _ name: String, _ parameter: inout Tensor?, _ gradient: Tensor?.TangentVector?
  ) {
    guard var value = parameter.take() else { return }
    self(name, &value, gradient?.value)
    parameter = value
  }

  /// Visits a child.
  public func callAsFunction<M: Module>(
    _ name: String, _ child: inout M, _ gradient: M.TangentVector?
  ) {
    var visitor = self
    visitor.path = fullName(name)
    visitor.visit(&child, gradient: gradient)
  }

  /// Visits a child that may be absent.
  public func callAsFunction<M: Module>(
    _ name: String, _ child: inout M?, _ gradient: M?.TangentVector?
  ) {
    guard var value = child.take() else { return }
    self(name, &value, gradient?.value)
    child = value
  }

  /// Visits children by number, `name.0`, `name.1` and so on.
  public func callAsFunction<M: Module>(
    _ name: String, _ children: inout [M], _ gradient: [M].TangentVector?
  ) {
    for index in children.indices {
      let part = gradient.flatMap { index < $0.base.count ? $0.base[index] : nil }
      self("\(name).\(index)", &children[index], part)
    }
  }
}
