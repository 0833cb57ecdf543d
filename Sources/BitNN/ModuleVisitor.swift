import BitCore
import _Differentiation

/// What is done at each parameter and layer of a module; see ``Module``.
public struct ModuleVisitor {
  /// The name of the module being visited, empty for the whole model.
  public private(set) var path = ""

  var parameter: ((_ name: String, _ value: inout Tensor, _ gradient: Tensor?) -> Void)?
  var linear: ((_ name: String, _ layer: inout Linear) -> Void)?
  var bitLinear: ((_ name: String, _ layer: inout BitLinear) -> Void)?

  private func name(_ child: String) -> String { path.isEmpty ? child : "\(path).\(child)" }

  private func descending(to child: String) -> ModuleVisitor {
    var visitor = self
    visitor.path = name(child)
    return visitor
  }

  /// Visits a parameter.
  public func callAsFunction(_ name: String, _ parameter: inout Tensor, _ gradient: Tensor?) {
    self.parameter?(self.name(name), &parameter, gradient)
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
    child.visitChildren(descending(to: name), gradient: gradient)
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
