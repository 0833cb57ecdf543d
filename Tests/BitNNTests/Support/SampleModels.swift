import BitCore
import BitFormats
import _Differentiation

@testable import BitNN

/// A model as a user writes one: a norm, layers in an array, a layer that may be absent.
struct SampleNetwork: Layer {
  var norm = LayerNorm(12)
  var hidden: [Linear]
  var extra: Linear?
  var output: Linear

  init(seed: UInt64 = 1, hasExtra: Bool = true) {
    var generator = SeededGenerator(seed: seed)
    hidden = (0..<2).map { _ in Linear(12, 12, using: &generator) }
    extra = hasExtra ? Linear(12, 12, bias: false, using: &generator) : nil
    output = Linear(12, 4, using: &generator)
  }

  @differentiable(reverse)
  func callAsFunction(_ input: Tensor) -> Tensor {
    var x = norm(input)
    for index in withoutDerivative(at: hidden.indices) { x = silu(hidden[index](x)) }
    if let extra { x = x + extra(x) }
    return output(x)
  }

  mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    visit("norm", &norm, gradient?.norm)
    visit("hidden", &hidden, gradient?.hidden)
    visit("extra", &extra, gradient?.extra)
    visit("output", &output, gradient?.output)
  }
}

/// first -> activation -> dropout -> second.
struct Pair<Inner: Layer>: Layer {
  var first: Inner
  var second: Inner
  var dropout = Dropout(0)
  @noDerivative var activation: Activation

  init(_ first: Inner, _ second: Inner, activation: Activation = .relu, dropout: Float = 0) {
    self.first = first
    self.second = second
    self.activation = activation
    self.dropout = Dropout(dropout)
  }

  @differentiable(reverse)
  func callAsFunction(_ input: Tensor) -> Tensor {
    second(dropout(activation(first(input))))
  }

  mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    visit("first", &first, gradient?.first)
    visit("second", &second, gradient?.second)
  }
}

/// What the bundled network is built from.
func perceptron(
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
  static func named(_ name: String) -> QuantizationRecipe? {
    ["bitnet": .bitnet, "b158": .b158][name]
  }
}
