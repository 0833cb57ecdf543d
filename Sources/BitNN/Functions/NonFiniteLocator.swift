import BitCore
import Synchronization
import _Differentiation

/// Finds the layer of a model in which a NaN or an infinity first appears.
///
/// While one is current, layers with parameters show it their outputs. A layer does not know its own
/// name; it is identified by the storage of its parameter, which a forward pass neither copies nor
/// changes.
package final class NonFiniteLocator: Sendable {
  @TaskLocal static var current: NonFiniteLocator?

  private let names: [Int: String]
  private let first = Mutex<String?>(nil)

  private init(names: [Int: String]) { self.names = names }

  package func check(_ output: Tensor, parameter: Tensor?) {
    guard !output.isFinite else { return }
    let name = parameter.flatMap { names[Int(bitPattern: $0.pointer)] } ?? "without a name"
    first.withLock { $0 = $0 ?? name }
  }

  /// The origin of the first NaN or infinity of a forward pass, in words; nil if there is none.
  package static func locate<Model: Layer>(in model: Model, inputs: Tensor) -> String? {
    guard inputs.isFinite else { return "the inputs" }
    return locate(in: model) { _ = $0(inputs) }
  }

  /// The same for a pass that `forward` makes.
  package static func locate<Model: Module>(
    in model: Model, _ forward: (Model) -> Void
  ) -> String? {
    let parameters = model.parameters()
    let names = Dictionary(
      parameters.map { name, value in
        (Int(bitPattern: value.pointer), layerName(ofParameter: name))
      }, uniquingKeysWith: { first, _ in first })
    let locator = NonFiniteLocator(names: names)
    $current.withValue(locator) { forward(model) }
    return withExtendedLifetime(parameters) {
      locator.first.withLock { $0.map { "layer \($0)" } }
    }
  }

  private static func layerName(ofParameter name: String) -> String {
    name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name
  }
}

/// Returns `output` after showing it to the current locator as that of the layer with `parameter`.
@differentiable(reverse,wrt: output)
package func traced(_ output: Tensor, of parameter: Tensor?) -> Tensor {
  NonFiniteLocator.current?.check(output, parameter: parameter)
  return output
}

@derivative(of: traced, wrt: output)
package func tracedDerivative(
  _ output: Tensor, of parameter: Tensor?
) -> (value: Tensor, pullback: (Tensor) -> Tensor) {
  (output, { $0 })
}

extension Tensor {
  /// Whether no value is NaN or infinite.
  package var isFinite: Bool {
    withUnsafePointer { values in (0..<count).allSatisfy { values[$0].isFinite } }
  }
}
