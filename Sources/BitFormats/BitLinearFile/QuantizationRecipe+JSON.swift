import BitCore
import BitFiles

extension QuantizationRecipe {
  /// The recipe and a number of groups in words that tell any two apart, the same from release to
  /// release.
  package func description(groups: Int) -> String {
    let parts = json.map { "\($0.key) \($0.value.stringValue ?? $0.value.encoded)" }
    return "(\(parts.joined(separator: ", ")), groups \(groups))"
  }

  /// The recipe as JSON members.
  package var json: JSONObject {
    let block = activations.granularity.blockColumns
    var members: JSONObject = [
      "weights": .string(weights.rawValue),
      "activation_bits": .integer(Int64(activations.bits)),
      "activation_scale": .string(
        block != nil ? "block" : activations.granularity == .tensor ? "tensor" : "token"),
      "activation_range": .string(activations.range.rawValue),
      "activation_epsilon": .number(Double(activations.epsilon)),
    ]
    if let block { members["activation_block"] = .integer(Int64(block)) }
    if let normalization {
      members["norm"] = .string(
        !normalization.isCentered ? "rms" : normalization.groups == 1 ? "layer" : "group")
      members["norm_groups"] = .integer(Int64(normalization.groups))
      members["norm_epsilon"] = .number(Double(normalization.epsilon))
    }
    return members
  }

  /// Reads what ``json`` wrote.
  package init(json: JSONValue, source: String) throws(InputError) {
    func value<T>(_ key: String, _ expected: String, _ read: (JSONValue) -> T?)
      throws(InputError) -> T
    {
      guard let value = json[key].flatMap(read) else {
        throw InputError(
          .malformed, source: source, found: "\(key) \(json[key] ?? .null)", expected: expected)
      }
      return value
    }
    func positive(_ value: JSONValue) -> Float? {
      value.doubleValue.flatMap { $0 >= 0 && Float($0).isFinite ? Float($0) : nil }
    }
    var block: Int?
    if json["activation_block"] != nil {
      block = try value("activation_block", "32, 64, 128 or 256") {
        $0.integerValue.flatMap { Int(exactly: $0) }.flatMap {
          ActivationQuantizer.Granularity.blockLengths.contains($0) ? $0 : nil
        }
      }
    }
    let scales =
      block == nil ? "tensor, token, or block with an activation_block" : "block, of \(block ?? 0)"
    let activations = ActivationQuantizer(
      bits: try value("activation_bits", "2...16") {
        $0.integerValue.flatMap { (2...16).contains($0) ? Int($0) : nil }
      },
      granularity: try value("activation_scale", scales) {
        switch ($0.stringValue, block) {
        case ("tensor", nil): .tensor
        case ("token", nil): .token
        case ("block", let block?): .block(block)
        default: nil
        }
      },
      range: try value("activation_range", "symmetric or full") {
        $0.stringValue.flatMap(ActivationQuantizer.CodeRange.init(rawValue:))
      },
      epsilon: try value("activation_epsilon", "a number", positive))
    var normalization: Normalization?
    if json["norm"] != nil {
      let epsilon = try value("norm_epsilon", "a number", positive)
      let groups = try value("norm_groups", "a positive number") {
        $0.integerValue.flatMap { (1...1 << 20).contains($0) ? Int($0) : nil }
      }
      normalization = try value("norm", "rms, layer or group") {
        switch $0.stringValue {
        case "rms": .rms(epsilon: epsilon)
        case "layer": .layer(epsilon: epsilon)
        case "group": .group(groups, epsilon: epsilon)
        default: nil
        }
      }
    }
    self.init(
      weights: try value("weights", "sign or ternary") {
        $0.stringValue.flatMap(WeightAlphabet.init(rawValue:))
      }, activations: activations, normalization: normalization)
  }
}
