import BitCore

/// Initial values of linear layers.
enum KaimingUniform {
  static func weight(_ shape: Shape, using generator: inout SeededGenerator) -> Tensor {
    generator.uniform(shape, bound: bound(shape[1]))
  }

  static func bias(
    _ outFeatures: Int, inFeatures: Int, using generator: inout SeededGenerator
  ) -> Tensor {
    generator.uniform([outFeatures], bound: bound(inFeatures))
  }

  static func check(weight: Tensor, bias: Tensor?) {
    precondition(weight.shape.rank == 2, "a weight is [out, in], not \(weight.shape)")
    precondition(
      bias == nil || bias?.shape == [weight.shape[0]],
      "a bias of shape \(bias?.shape ?? []) does not fit a weight of shape \(weight.shape)")
  }

  private static func bound(_ inFeatures: Int) -> Float {
    inFeatures > 0 ? 1 / Float(inFeatures).squareRoot() : 0
  }
}

extension SeededGenerator {
  /// A generator with a seed from the system.
  static func fresh() -> SeededGenerator { SeededGenerator(seed: .random(in: 0 ... .max)) }
}
