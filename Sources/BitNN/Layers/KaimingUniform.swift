import BitCore

/// Initial values of linear layers: uniform in +-1/sqrt(in), which is He's initialization with
/// a = sqrt(5), as in PyTorch.
enum KaimingUniform {
  static func weight(_ shape: Shape, using generator: inout SeededGenerator) -> Tensor {
    generator.uniform(shape, bound: bound(shape[1]))
  }

  static func bias(
    _ outFeatures: Int, inFeatures: Int, using generator: inout SeededGenerator
  ) -> Tensor {
    generator.uniform([outFeatures], bound: bound(inFeatures))
  }

  private static func bound(_ inFeatures: Int) -> Float {
    inFeatures > 0 ? 1 / Float(inFeatures).squareRoot() : 0
  }
}
