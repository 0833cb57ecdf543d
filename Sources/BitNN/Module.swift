import BitCore
import _Differentiation

/// A value with parameters that can be trained, saved and packed.
///
/// A struct of layers becomes a module with one line per layer:
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
///
/// A line that is missing or wrong is an error when the model is first trained, saved, loaded,
/// quantized or packed; ``checkChildren(gradient:)`` says what is noticed.
public protocol Module: Differentiable {
  /// Shows every parameter and child, under its name and with its part of the gradient, to
  /// `visit`. Names are joined with dots, as in PyTorch's state dictionaries.
  mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?)

  /// The names of those of the module's own parameters, not its children's, that are frozen; see
  /// ``freeze(where:)``.
  ///
  /// Only a module that itself has parameters which are to be frozen declares it, as
  /// `@noDerivative var frozenParameters: Set<String> = []`. All layers of this library do.
  var frozenParameters: Set<String> { get set }
}

extension Module {
  /// No parameter is frozen, and none can be.
  public var frozenParameters: Set<String> {
    get { [] }
    set {
      precondition(
        newValue.isEmpty,
        "\(Self.self) cannot freeze its parameter \(newValue.min() ?? ""): it needs a property "
          + "@noDerivative var frozenParameters: Set<String> = []")
    }
  }

  /// Calls `body` with each parameter, its name and its part of `gradient`. A parameter that is
  /// frozen or that the result does not depend on has the gradient `Tensor.zero` or none.
  public mutating func updateParameters(
    along gradient: TangentVector? = nil,
    _ body: (_ name: String, _ value: inout Tensor, _ gradient: Tensor?) -> Void
  ) {
    visitParameters(gradient: gradient) { visitor, name, value, gradient in
      body(visitor.fullName(name), &value, visitor.frozen.contains(name) ? nil : gradient)
    }
  }

  /// Calls `body` with each parameter, frozen or not, and the visitor of the module that has it.
  mutating func visitParameters(
    gradient: TangentVector? = nil,
    _ body: (
      _ visitor: ModuleVisitor, _ name: String, _ value: inout Tensor, _ gradient: Tensor?
    ) -> Void
  ) {
    withoutActuallyEscaping(body) { body in
      ModuleVisitor(parameter: body).visit(&self, gradient: gradient)
    }
  }

  /// Calls `body` with the gradient of each parameter that is not frozen, and its name.
  public func forEachGradient(
    _ gradient: TangentVector, _ body: (_ name: String, _ gradient: Tensor) -> Void
  ) {
    var copy = self
    copy.updateParameters(along: gradient) { name, _, gradient in
      if let gradient { body(name, gradient) }
    }
  }

  /// The gradient of each parameter, in the order of ``parameters()``; `Tensor.zero` for one that is
  /// frozen or that the result does not depend on.
  public func gradients(_ gradient: TangentVector) -> [Tensor] {
    var gradients: [Tensor] = []
    var copy = self
    copy.updateParameters(along: gradient) { _, _, gradient in gradients.append(gradient ?? .zero) }
    return gradients
  }

  /// Calls `body` with each parameter, its name and its place in ``parameters()``.
  public mutating func updateParametersInOrder(
    _ body: (_ index: Int, _ name: String, _ value: inout Tensor) -> Void
  ) {
    var index = 0
    updateParameters { name, value, _ in
      body(index, name, &value)
      index += 1
    }
  }

  /// All parameters by name, in the order of the model.
  public func parameters() -> [(name: String, value: Tensor)] {
    var result: [(name: String, value: Tensor)] = []
    var copy = self
    copy.updateParameters { name, value, _ in result.append((name, value)) }
    return result
  }

  /// The number of values in all parameters.
  public var parameterCount: Int { parameters().reduce(0) { $0 + $1.value.count } }

  mutating func updateBitLinears(_ body: (_ name: String, _ layer: inout BitLinear) -> Void) {
    withoutActuallyEscaping(body) { body in
      ModuleVisitor(bitLinear: body).visit(&self, gradient: nil)
    }
  }

  /// All BitLinear layers by name, in the order of the model.
  func bitLinears() -> [(name: String, layer: BitLinear)] {
    var result: [(name: String, layer: BitLinear)] = []
    var copy = self
    copy.updateBitLinears { name, layer in result.append((name, layer)) }
    return result
  }

  /// All linear layers by name, in the order of the model, those that BitLinear layers replaced too.
  func linears() -> [(name: String, layer: Linear)] {
    var result: [(name: String, layer: Linear)] = []
    var copy = self
    copy.updateLinears { name, layer in result.append((name, layer)) }
    return result
  }

  mutating func updateLinears(_ body: (_ name: String, _ layer: inout Linear) -> Void) {
    withoutActuallyEscaping(body) { body in
      ModuleVisitor(linear: body).visit(&self, gradient: nil)
    }
  }
}
