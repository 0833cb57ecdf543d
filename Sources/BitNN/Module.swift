import BitCore
import _Differentiation

/// A value with parameters that can be trained, saved and packed.
///
/// A struct of layers becomes a module with one line for each of them:
///
/// ```swift
/// struct Network: Layer {
///   var hidden = BitLinear(10, 20)
///   var output = Linear(20, 2)
///
///   @differentiable(reverse)
///   func callAsFunction(_ input: Tensor) -> Tensor { output(relu(hidden(input))) }
///
///   mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
///     visit("hidden", &hidden, gradient?.hidden)
///     visit("output", &output, gradient?.output)
///   }
/// }
/// ```
public protocol Module: Differentiable {
  /// Shows every parameter and child, under its name and with its part of the gradient, to
  /// `visit`. Names are joined with dots, as in PyTorch's state dictionaries.
  mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?)
}

extension Module {
  /// Calls `body` with each parameter, its name and its part of `gradient`. A parameter that the
  /// result does not depend on has the gradient ``Tensor/zero`` or none.
  public mutating func updateParameters(
    along gradient: TangentVector? = nil,
    _ body: (_ name: String, _ value: inout Tensor, _ gradient: Tensor?) -> Void
  ) {
    withoutActuallyEscaping(body) { body in
      visitChildren(ModuleVisitor(parameter: body), gradient: gradient)
    }
  }

  /// Calls `body` with the gradient of each parameter and its name.
  public func forEachGradient(
    _ gradient: TangentVector, _ body: (_ name: String, _ gradient: Tensor) -> Void
  ) {
    var copy = self
    copy.updateParameters(along: gradient) { name, _, gradient in
      if let gradient { body(name, gradient) }
    }
  }

  /// All parameters by name, in the order of the model.
  public func parameters() -> [(name: String, value: Tensor)] {
    var result: [(name: String, value: Tensor)] = []
    var copy = self
    copy.updateParameters { name, value, _ in result.append((name, value)) }
    return result
  }

  /// The number of trainable values.
  public var parameterCount: Int { parameters().reduce(0) { $0 + $1.value.count } }

  mutating func updateBitLinears(_ body: (_ name: String, _ layer: inout BitLinear) -> Void) {
    withoutActuallyEscaping(body) { body in
      visitChildren(ModuleVisitor(bitLinear: body), gradient: nil)
    }
  }

  /// All BitLinear layers by name, in the order of the model.
  func bitLinears() -> [(name: String, layer: BitLinear)] {
    var result: [(name: String, layer: BitLinear)] = []
    var copy = self
    copy.updateBitLinears { name, layer in result.append((name, layer)) }
    return result
  }

  mutating func updateLinears(_ body: (_ name: String, _ layer: inout Linear) -> Void) {
    withoutActuallyEscaping(body) { body in
      visitChildren(ModuleVisitor(linear: body), gradient: nil)
    }
  }
}
