import BitCore
import BitFiles

extension RotaryEmbedding {
  /// Reads `rope_theta` and `rope_scaling`, or `rope_parameters`, which transformers 5 writes for
  /// both.
  init(
    _ config: DecoderKeys, length: Int, context: Int, defaultTheta: Float
  ) throws(InputError) {
    var theta = try config.number("rope_theta", in: DecoderLimits.theta)
    (self.theta, self.length, scaling) = (0, length, .none)
    for key in ["rope_scaling", "rope_parameters"] {
      guard let value = config[key] else { continue }
      guard let object = value.objectValue else {
        throw config.error(.malformed, key, value, "an object")
      }
      let keys = DecoderKeys(object, source: "\(config.source), \(key)")
      theta = try keys.number("rope_theta", in: DecoderLimits.theta) ?? theta
      try keys.refuse(["partial_rotary_factor"], unless: { $0.doubleValue == 1 })
      let scaling = try Self.scaling(keys, context: context)
      if self.scaling != .none, scaling != self.scaling {
        throw InputError(
          .mismatch, source: config.source, found: "rope_scaling and rope_parameters that differ",
          expected: "one of them")
      }
      self.scaling = scaling
    }
    self.theta = theta ?? defaultTheta
  }

  private static func scaling(
    _ keys: DecoderKeys, context: Int
  ) throws(InputError) -> RotaryScaling {
    func number(_ key: String) throws(InputError) -> Float {
      guard let number = try keys.number(key, in: DecoderLimits.factor) else {
        throw keys.error(.missing, key, nil, "a number")
      }
      return number
    }
    let originalKey = "original_max_position_embeddings"
    let (type, older) = (try keys.text("rope_type"), try keys.text("type"))
    switch type ?? older ?? "default" {
    case "default": return .none
    case "linear": return .linear(factor: try number("factor"))
    case "llama3":
      return try llama3(
        factor: number("factor"), low: number("low_freq_factor"), high: number("high_freq_factor"),
        original: keys.required(originalKey, in: DecoderLimits.context), keys)
    case "yarn":
      try keys.refuse(["mscale", "mscale_all_dim"], unless: { $0.doubleValue == 0 })
      try keys.refuse(["truncate"], unless: { $0 == .bool(true) })
      return try yarn(
        RotaryScaling.YaRN(
          factor: number("factor"),
          originalContext: keys.integer(originalKey, in: DecoderLimits.context) ?? context,
          attentionFactor: keys.number("attention_factor", in: DecoderLimits.factor),
          betaFast: keys.number("beta_fast", in: DecoderLimits.factor) ?? 32,
          betaSlow: keys.number("beta_slow", in: DecoderLimits.factor) ?? 1), keys)
    case let other:
      throw keys.error(
        .unsupported, "rope_type", .string(other), "default, linear, llama3 or yarn")
    }
  }

  private static func llama3(
    factor: Float, low: Float, high: Float, original: Int, _ keys: DecoderKeys
  ) throws(InputError) -> RotaryScaling {
    guard low < high else {
      throw InputError(
        .malformed, source: keys.source,
        found: "low_freq_factor \(low) and high_freq_factor \(high)",
        expected: "the first to be the smaller one")
    }
    return .llama3(
      factor: factor, lowFrequency: low, highFrequency: high, originalContext: original)
  }

  static func yarn(
    _ yarn: RotaryScaling.YaRN, _ keys: DecoderKeys
  ) throws(InputError) -> RotaryScaling {
    guard yarn.betaSlow <= yarn.betaFast, yarn.factor >= 1 else {
      throw InputError(
        .malformed, source: keys.source,
        found: "factor \(yarn.factor), beta_fast \(yarn.betaFast), beta_slow \(yarn.betaSlow)",
        expected: "a factor from 1 and a beta_fast that is not below beta_slow")
    }
    return .yarn(yarn)
  }
}
