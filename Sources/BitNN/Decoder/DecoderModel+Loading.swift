import BitCore
import BitFiles
import BitFormats

extension DecoderModel {
  /// What the linear layers of a model become, apart from its output layer.
  public enum Projections: Sendable, Hashable {
    /// What they are in the file: BitLinear layers of b1.58 where the file's are, linear ones
    /// otherwise.
    case asStored
    /// Linear layers.
    case float
    /// BitLinear layers whose latent weights are those of the file. The recipe has no normalization.
    case bitLinear(QuantizationRecipe)
  }

  /// Reads a model to train it further: a Hugging Face folder, with float, latent or packed weights,
  /// or a GGUF file.
  ///
  /// Ternary weights, packed or as floats, become latent ones that quantize to just these codes and
  /// this scale, if there is one scale for a matrix.
  ///
  /// - Parameters:
  ///   - file: the files of the model.
  ///   - projections: what its linear layers become.
  /// - Throws: `InputError` that names file and tensor for a model that is damaged or contradicts
  ///   itself, that computes something else, or that only embeds texts.
  public init(
    _ file: ModelFile, projections: Projections = .asStored
  ) throws(InputError) {
    var configuration = try DecoderConfiguration(file)
    guard configuration.pooling == .none else {
      throw InputError(
        .unsupported, source: file.path, found: "a model that embeds texts",
        expected: "one that predicts tokens")
    }
    guard projections != .float || !configuration.hasLatentWeights else {
      throw InputError(
        .unsupported, source: file.path, found: "latent weights of ternary layers",
        expected: "float weights, for linear layers")
    }
    let tensors = try DecoderTensors(file)
    let isInterleaved = configuration.isInterleaved
    configuration.isInterleaved = false
    let recipe: QuantizationRecipe? =
      switch projections {
      case .asStored: configuration.activations == .perTokenInt8 ? .b158WithoutNorm : nil
      case .float: nil
      case .bitLinear(let recipe): recipe
      }
    guard recipe != nil || !configuration.hasProjectionNorms else {
      throw InputError(
        .unsupported, source: file.path, found: "norms of projections",
        expected: "none in a model of linear layers")
    }
    let reader = WeightReader(
      tensors: tensors, configuration: configuration, isInterleaved: isInterleaved,
      isTernary: recipe?.weights == .ternary && configuration.activations != .float
        && !configuration.hasLatentWeights)
    try self.init(configuration, recipe: recipe) { (tensor) throws(InputError) in
      try reader.weight(tensor)
    }
  }
}

/// Reads the weights of a model as floats.
private struct WeightReader {
  let tensors: DecoderTensors
  let configuration: DecoderConfiguration
  let isInterleaved: Bool
  /// Whether projections hold the values of ternary weights, of which latent ones are to be made.
  let isTernary: Bool

  func weight(_ kind: DecoderTensor) throws(InputError) -> Tensor {
    guard var tensor = tensors[kind] else {
      throw InputError(
        .missing, source: tensors.source,
        found: "no tensor \(ErrorText.quoted(kind.name(in: tensors.naming)))",
        expected: "all tensors of the model")
    }
    if isInterleaved, case .layer(_, let part) = kind, part == .query || part == .key {
      tensor = tensor.reordered(HeadRowOrder(headLength: configuration.headLength, .separating))
    }
    let shape = Shape(configuration.shape(of: kind))
    let columns = shape.features
    let values = try Tensor.build(shape) { (out) throws(InputError) in
      for first in stride(from: 0, to: tensor.rows, by: tensor.pieceRows) {
        let rows = first..<min(first + tensor.pieceRows, tensor.rows)
        let piece = try tensor.values(rows)
        piece.withUnsafeBufferPointer { piece in
          guard let base = piece.baseAddress else { return }
          (out + first * columns).update(from: base, count: piece.count)
        }
      }
      tensor.releasePages()
    }
    guard values.isFinite else {
      throw InputError(
        .notFinite, source: tensor.source, found: "NaN or infinity", expected: "finite numbers")
    }
    guard isTernary, case .layer(_, let part) = kind, DecoderTensor.Part.projections.contains(part)
    else { return values }
    return try latentWeights(quantizedTo: values, tensor.source)
  }
}
