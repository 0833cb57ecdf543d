import BitCore
import _Differentiation

/// A table of vectors, looked up by index.
public struct Embedding: Module, Sendable {
  /// `[vocabulary, features]`.
  public var weight: Tensor {
    didSet { requireShape([vocabulary, features], of: weight, "weight") }
  }
  /// The number of vectors.
  @noDerivative public let vocabulary: Int
  /// The extent of a vector.
  @noDerivative public let features: Int
  /// Names of parameters that are not trained; see ``Module/freeze(where:)``.
  @noDerivative public var frozenParameters: Set<String> = []

  /// A table of normal random numbers (mean 0, deviation 1), as in PyTorch.
  public init(_ vocabulary: Int, _ features: Int) {
    var generator = SeededGenerator.fresh()
    self.init(vocabulary, features, using: &generator)
  }

  /// A table from `generator`.
  public init(_ vocabulary: Int, _ features: Int, using generator: inout SeededGenerator) {
    self.vocabulary = vocabulary
    self.features = features
    weight = generator.normal([vocabulary, features])
  }

  /// A table of the given vectors, `[vocabulary, features]`.
  public init(weight: Tensor) {
    precondition(weight.shape.rank == 2, "a table is [vocabulary, features], not \(weight.shape)")
    (vocabulary, features) = (weight.shape[0], weight.shape[1])
    self.weight = weight
  }

  /// The rows `[indices.count, features]` for indices in 0..<vocabulary.
  @differentiable(reverse,wrt: self)
  public func callAsFunction(_ indices: [Int32]) -> Tensor {
    traced(
      EmbeddingLookup.forward(weight, indices: indices), of: withoutDerivative(at: weight))
  }

  /// Shows the parameter `weight`.
  public mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    visit("weight", &weight, gradient?.weight)
  }
}

extension Embedding: CustomStringConvertible {
  /// The layer in a few words: "Embedding(32000 x 512, 65.5 MB)".
  public var description: String {
    LayerDescription.text(
      "Embedding", "\(vocabulary) x \(features)", LayerDescription.size(of: weight))
  }
}
