import BitCore
import CBitLinear

extension QuantizationRecipe {
  /// The recipe that a caller describes.
  init(_ pointer: UnsafePointer<bitlinear_recipe>?) throws(Failure) {
    let recipe = try required(pointer, "recipe").pointee
    let weights = try WeightAlphabet(recipe.weights, "recipe.weights")
    guard 2...16 ~= recipe.activation_bits else {
      throw .argument("activation bits", recipe.activation_bits, "2 to 16")
    }
    guard recipe.activation_epsilon.isFinite, recipe.activation_epsilon >= 0 else {
      throw .argument(
        "activation epsilon", recipe.activation_epsilon, "a finite number, not negative")
    }
    self.init(
      weights: weights,
      activations: ActivationQuantizer(
        bits: Int(recipe.activation_bits),
        granularity: try ActivationQuantizer.Granularity(
          perToken: recipe.per_token, block: recipe.activation_block, in: "recipe."),
        epsilon: recipe.activation_epsilon),
      normalization: try Normalization?(recipe))
  }
}

/// The truth value of a number that must be 0 or 1.
func isOn(_ flag: Int32, _ name: String) throws(Failure) -> Bool {
  guard flag == 0 || flag == 1 else { throw .argument(name, flag, "0 or 1") }
  return flag == 1
}

extension ActivationQuantizer.Granularity {
  /// What a caller says of it, whose arguments have names with a `prefix`.
  init(perToken: Int32, block: Int32, in prefix: String = "") throws(Failure) {
    let isPerToken = try isOn(perToken, "\(prefix)per_token")
    let name = prefix.isEmpty ? "block" : "activation block"
    if block == 0 {
      self = isPerToken ? .token : .tensor
    } else if !Self.blockLengths.contains(Int(block)) {
      throw .argument(name, block, "32, 64, 128 or 256, or 0 for none")
    } else if !isPerToken {
      throw .argument(name, "\(block) without per_token", "per_token 1, or 0 for no blocks")
    } else {
      self = .block(Int(block))
    }
  }
}

extension Normalization? {
  fileprivate init(_ recipe: bitlinear_recipe) throws(Failure) {
    let norm = Int(recipe.norm)
    if norm == BITLINEAR_NORM_NONE {
      self = nil
      return
    }
    let epsilon = recipe.norm_epsilon
    guard epsilon.isFinite, epsilon >= 0 else {
      throw .argument("norm epsilon", epsilon, "a finite number, not negative")
    }
    switch norm {
    case BITLINEAR_NORM_LAYER: self = .layer(epsilon: epsilon)
    case BITLINEAR_NORM_RMS: self = .rms(epsilon: epsilon)
    case BITLINEAR_NORM_GROUP:
      guard recipe.norm_groups >= 1 else {
        throw .argument("norm groups", recipe.norm_groups, "1 or more")
      }
      self = .group(Int(recipe.norm_groups), epsilon: epsilon)
    default: throw .argument("recipe.norm", recipe.norm, "BITLINEAR_NORM_NONE to _GROUP")
    }
  }
}

extension bitlinear_recipe {
  init(_ recipe: QuantizationRecipe) {
    let norm = recipe.normalization
    let kind =
      switch norm {
      case nil: BITLINEAR_NORM_NONE
      case let norm? where !norm.isCentered: BITLINEAR_NORM_RMS
      case let norm? where norm.groups > 1: BITLINEAR_NORM_GROUP
      default: BITLINEAR_NORM_LAYER
      }
    self.init(
      weights: Int32((recipe.weights == .sign ? BITLINEAR_SIGN : BITLINEAR_TERNARY)),
      activation_bits: Int32(recipe.activations.bits),
      per_token: recipe.activations.granularity == .tensor ? 0 : 1,
      activation_epsilon: recipe.activations.epsilon, norm: Int32(kind),
      norm_groups: Int32(norm?.groups ?? 1), norm_epsilon: norm?.epsilon ?? 0,
      activation_block: Int32(recipe.activations.granularity.blockColumns ?? 0))
  }
}

/// See `bitlinear.h`.
@c @implementation
public func bitlinear_recipe_named(
  _ name: UnsafePointer<CChar>?, _ recipe: UnsafeMutablePointer<bitlinear_recipe>?
) -> Int32 {
  status { () throws(Failure) in
    let text = String(cString: try required(name, "name"))
    let target = try required(recipe, "recipe")
    switch text {
    case "bitnet": target.pointee = bitlinear_recipe(.bitnet)
    case "b158": target.pointee = bitlinear_recipe(.b158)
    default: throw .argument("recipe", "\"\(text)\"", "bitnet or b158")
    }
  }
}
