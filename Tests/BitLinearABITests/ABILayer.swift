import BitFormats
import CBitLinear

/// A layer as a C caller has it: memory, a recipe, extents.
final class ABILayer {
  let recipe: bitlinear_recipe
  let quantization: QuantizationRecipe
  let groups: Int
  let weight: Tensor
  let bias: Tensor?
  let normWeight: Tensor?

  init(
    _ quantization: QuantizationRecipe, inputs: Int, outputs: Int, groups: Int = 1,
    hasBias: Bool = true, hasNormWeight: Bool = false, seed: UInt64 = 1
  ) {
    var generator = SeededGenerator(seed: seed)
    self.quantization = quantization
    self.groups = groups
    weight = Self.random([outputs, inputs], &generator)
    bias = hasBias ? Self.random([outputs], &generator) : nil
    normWeight = hasNormWeight ? Self.random([inputs], &generator) : nil
    let norm = quantization.normalization
    let kind =
      norm.map { !$0.isCentered ? BITLINEAR_NORM_RMS : BITLINEAR_NORM_GROUP } ?? BITLINEAR_NORM_NONE
    recipe = bitlinear_recipe(
      weights: Int32(quantization.weights == .sign ? BITLINEAR_SIGN : BITLINEAR_TERNARY),
      activation_bits: Int32(quantization.activations.bits),
      per_token: quantization.activations.granularity == .tensor ? 0 : 1,
      activation_epsilon: quantization.activations.epsilon, norm: Int32(kind),
      norm_groups: Int32(norm?.groups ?? 1), norm_epsilon: norm?.epsilon ?? 0,
      activation_block: Int32(quantization.activations.granularity.blockColumns ?? 0))
  }

  static func random(_ shape: Shape, _ generator: inout SeededGenerator) -> Tensor {
    Tensor(
      (0..<shape.scalarCount).map { _ in Float.random(in: -1...1, using: &generator) }, shape: shape
    )
  }

  /// Random tokens.
  static func input(_ tokens: Int, _ features: Int, seed: UInt64 = 9) -> Tensor {
    var generator = SeededGenerator(seed: seed)
    return random([tokens, features], &generator)
  }

  /// Calls `body` with the structures of the interface, which `change` may make invalid first.
  func with<R>(
    change: (inout bitlinear_recipe, inout bitlinear_layer) -> Void = { _, _ in },
    _ body: (UnsafePointer<bitlinear_recipe>, UnsafePointer<bitlinear_layer>) -> R
  ) -> R {
    defer { withExtendedLifetime(self) {} }
    var recipe = recipe
    var layer = bitlinear_layer(
      in_features: Int64(weight.shape[1]), out_features: Int64(weight.shape[0]),
      groups: Int64(groups), weight: weight.pointer, weight_stride: Int64(weight.shape[1]),
      bias: bias?.pointer, norm_weight: normWeight?.pointer, norm_bias: nil,
      weight_parameter: nil, weight_scale: nil)
    change(&recipe, &layer)
    return withUnsafePointer(to: recipe) { recipe in
      withUnsafePointer(to: layer) { body(recipe, $0) }
    }
  }

  /// The same layer in the package itself.
  var operation: BitLinearOperation {
    BitLinearOperation(
      weight: weight, bias: bias, normWeight: normWeight, recipe: quantization, groups: groups)
  }

  /// A handle of the packed layer.
  func pack() -> OpaquePointer? {
    var packed: OpaquePointer?
    return with { bitlinear_pack($0, $1, &packed) } == 0 ? packed : nil
  }
}

/// The text of the last error.
func lastError() -> String { String(cString: bitlinear_last_error()) }
