import BitCore
import _Differentiation

/// A network of linear layers with an activation between them: the model of the main example.
public struct MultilayerPerceptron<Inner: Layer>: Layer {
  /// The linear layers, input side first.
  public var layers: [Inner]
  /// What is applied between two layers.
  @noDerivative public let activation: Activation

  /// A network of the given layers; there must be at least one.
  public init(_ layers: [Inner], activation: Activation = .relu) {
    precondition(!layers.isEmpty, "a network has at least one layer")
    self.layers = layers
    self.activation = activation
  }

  /// The output of the last layer, `[..., classes]`.
  @differentiable(reverse)
  public func callAsFunction(_ input: Tensor) -> Tensor {
    var x = layers[0](input)
    for index in withoutDerivative(at: 1..<layers.count) {
      x = layers[index](activation(x))
    }
    return x
  }

  /// Shows the layers as `layers.0`, `layers.1` and so on.
  public mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    visit("layers", &layers, gradient?.layers)
  }
}

extension MultilayerPerceptron: Sendable where Inner: Sendable {}

extension MultilayerPerceptron: CustomStringConvertible {
  /// The network with a line per layer.
  public var description: String {
    let lines = layers.enumerated().map { "  layers.\($0): \($1)" }
    return (["MultilayerPerceptron(\(activation.rawValue))"] + lines).joined(separator: "\n")
  }
}
