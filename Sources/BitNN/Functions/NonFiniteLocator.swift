import BitCore
import Synchronization
import _Differentiation

/// Finds the layer of a model in which a NaN or an infinity first appears.
///
/// While a check is current, layers with parameters show it their outputs; a layer is known by the
/// place of a parameter in memory.
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

  /// Where a forward pass first leaves the finite numbers, in words; nil if it does not.
  package static func locate<Model: Layer>(in model: Model, inputs: Tensor) -> String? {
    guard inputs.isFinite else { return "the inputs" }
    let parameters = model.parameters()
    let names = Dictionary(
      parameters.map { name, value in
        (Int(bitPattern: value.pointer), layerName(ofParameter: name))
      }, uniquingKeysWith: { first, _ in first })
    let check = NonFiniteLocator(names: names)
    _ = $current.withValue(check) { model(inputs) }
    return withExtendedLifetime(parameters) {
      check.first.withLock { $0.map { "layer \($0)" } }
    }
  }

  private static func layerName(ofParameter name: String) -> String {
    name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name
  }
}

/// `output`, shown to the current check as that of the layer with this parameter.
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
