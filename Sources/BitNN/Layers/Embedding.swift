import BitCore
import _Differentiation

/// A table of vectors, looked up by index.
public struct Embedding: Module, Sendable {
  /// `[vocabulary, features]`.
  public var weight: Tensor

  /// A table of normal random numbers (mean 0, deviation 1), as in PyTorch.
  public init(_ vocabulary: Int, _ features: Int) {
    var generator = SeededGenerator.fresh()
    self.init(vocabulary, features, using: &generator)
  }

  /// A table from `generator`.
  public init(_ vocabulary: Int, _ features: Int, using generator: inout SeededGenerator) {
    weight = generator.normal([vocabulary, features])
  }

  /// The rows `[indices.count, features]` for indices in 0..<vocabulary.
  @differentiable(reverse,wrt: self)
  public func callAsFunction(_ indices: [Int32]) -> Tensor {
    traced(
      EmbeddingLookup.forward(weight, indices: indices), of: withoutDerivative(at: weight))
  }

  /// Shows the parameter.
  public mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    visit("weight", &weight, gradient?.weight)
  }
}
