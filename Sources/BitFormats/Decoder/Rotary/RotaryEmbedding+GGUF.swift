import BitCore
import BitFiles

extension RotaryEmbedding {
  /// Reads `rope.*` of an architecture, and the tensor of divisors.
  init(
    _ keys: DecoderKeys, _ name: (String) -> String, length: Int, context: Int,
    _ tensors: DecoderTensors
  ) throws(InputError) {
    theta = try keys.number(name("rope.freq_base"), in: DecoderLimits.theta) ?? 10_000
    self.length = length
    scaling = try Self.scaling(keys, name, context: context)
    guard let tensor = tensors[.ropeFrequencies] else { return }
    guard scaling == .none else {
      throw InputError(
        .unsupported, source: tensor.source,
        found: "divisors of frequencies beside \(name("rope.scaling.type"))",
        expected: "one of them")
    }
    guard tensor.shape == [length / 2] else {
      throw InputError(
        .mismatch, source: tensor.source, found: "the shape \(ErrorText.list(tensor.shape))",
        expected: "\(ErrorText.list([length / 2])), one for each pair of a head")
    }
    let divisors = try tensor.values(0..<1)
    guard divisors.allSatisfy({ $0.isFinite && $0 > 0 }) else {
      throw InputError(
        .malformed, source: tensor.source, found: "a divisor that is not positive and finite",
        expected: "numbers above 0")
    }
    if divisors.contains(where: { $0 != 1 }) { scaling = .divisors(divisors) }
  }

  private static func scaling(
    _ keys: DecoderKeys, _ name: (String) -> String, context: Int
  ) throws(InputError) -> RotaryScaling {
    let type = try keys.text(name("rope.scaling.type"))
    let factor = try keys.number(name("rope.scaling.factor"), in: DecoderLimits.factor)
    try keys.refuse([name("rope.scaling.yarn_log_multiplier")]) { $0.doubleValue == 0 }
    switch type {
    case nil, "none", "linear":
      // Older files have this key and no type.
      let older = try keys.number(name("rope.scale_linear"), in: DecoderLimits.factor)
      guard let linear = factor ?? older, linear != 1, type != "none" else { return .none }
      return .linear(factor: linear)
    case "yarn":
      guard let factor else {
        throw keys.error(.missing, name("rope.scaling.factor"), nil, "a number")
      }
      try keys.refuse([name("rope.scaling.yarn_ext_factor")]) {
        $0.doubleValue.map { $0 == 1 || $0 < 0 } == true
      }
      // These are multiplied with the factor of the paper.
      var attention = RotaryScaling.YaRN.defaultAttentionFactor(factor)
      for key in ["rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor"] {
        attention *= try keys.number(name(key), in: DecoderLimits.factor) ?? 1
      }
      return try yarn(
        RotaryScaling.YaRN(
          factor: factor,
          originalContext: keys.integer(
            name("rope.scaling.original_context_length"), in: DecoderLimits.context) ?? context,
          attentionFactor: attention,
          betaFast: keys.number(
            name("rope.scaling.yarn_beta_fast"), in: DecoderLimits.factor) ?? 32,
          betaSlow: keys.number(
            name("rope.scaling.yarn_beta_slow"), in: DecoderLimits.factor) ?? 1), keys)
    case let type?:
      throw keys.error(
        .unsupported, name("rope.scaling.type"), .string(type), "none, linear or yarn")
    }
  }
}
