import BitCore
import BitNN

/// A model as a user writes one: a norm, layers in an array, a layer that may be absent.
package struct SampleNetwork: Layer {
  package var norm = LayerNorm(12)
  package var hidden: [Linear]
  package var extra: Linear?
  package var output: Linear

  package init(seed: UInt64 = 1, hasExtra: Bool = true) {
    var generator = SeededGenerator(seed: seed)
    hidden = (0..<2).map { _ in Linear(12, 12, using: &generator) }
    extra = hasExtra ? Linear(12, 12, bias: false, using: &generator) : nil
    output = Linear(12, 4, using: &generator)
  }

  @differentiable(reverse)
  package func callAsFunction(_ input: Tensor) -> Tensor {
    var x = norm(input)
    for index in withoutDerivative(at: hidden.indices) { x = silu(hidden[index](x)) }
    if let extra { x = x + extra(x) }
    return output(x)
  }

  package mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    visit("norm", &norm, gradient?.norm)
    visit("hidden", &hidden, gradient?.hidden)
    visit("extra", &extra, gradient?.extra)
    visit("output", &output, gradient?.output)
  }
}

/// first -> activation -> dropout -> second.
package struct Pair<Inner: Layer>: Layer {
  package var first: Inner
  package var second: Inner
  package var dropout = Dropout(0)
  @noDerivative package var activation: Activation

  package init(_ first: Inner, _ second: Inner, activation: Activation = .relu, dropout: Float = 0)
  {
    self.first = first
    self.second = second
    self.activation = activation
    self.dropout = Dropout(dropout)
  }

  @differentiable(reverse)
  package func callAsFunction(_ input: Tensor) -> Tensor {
    second(dropout(activation(first(input))))
  }

  package mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    visit("first", &first, gradient?.first)
    visit("second", &second, gradient?.second)
  }
}

/// What the bundled network is built from.
package func perceptron(
  _ features: [Int], _ recipe: QuantizationRecipe?, groups: Int = 1, bias: Bool = false,
  seed: UInt64 = 3
) -> MultilayerPerceptron<Linear> {
  var generator = SeededGenerator(seed: seed)
  let layers = zip(features, features.dropFirst()).map {
    Linear($0, $1, bias: bias, using: &generator)
  }
  let model = MultilayerPerceptron(layers)
  return recipe.map { model.quantized($0, groups: groups) } ?? model
}

extension QuantizationRecipe {
  /// The recipe of a name, for the arguments of tests; nil for "float".
  package static func named(_ name: String) -> QuantizationRecipe? {
    ["bitnet": .bitnet, "b158": .b158][name]
  }
}
