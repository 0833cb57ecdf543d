import BitCore
import BitFiles

extension DecoderConfiguration {
  /// What the inputs of the projections were in training, and whether float weights are latent.
  ///
  /// In this order:
  /// 1. what `quantization_config` or this project's own description of layers says;
  /// 2. `weight_bits`, with which 1bitLLM's configurations say 1: floats, if it is 16 or more;
  /// 3. the family bitnet, I2_S and norms of projections: integers for each token, as all models
  ///    with one of these have;
  /// 4. what the first layer holds: ternary weights with one scale for the matrix are of b1.58,
  ///    ternary or sign weights with several scales belong to models of which only the weights were
  ///    quantized, and other floats are an ordinary model's.
  static func activations(
    of model: ModelFile, _ tensors: DecoderTensors, _ configuration: DecoderConfiguration
  ) throws(InputError) -> (DecoderActivations, hasLatentWeights: Bool) {
    let weights = try WeightKind(tensors)
    if let own = model.quantization {
      return (.perTokenInt8, own.mode == .online || weights == .floats)
    }
    if let query = tensors[0, .query], let members = model.members(of: query) {
      let recipe = try QuantizationRecipe(json: .object(members), source: query.source)
      guard recipe.activations.granularity == .token, recipe.activations.bits == 8 else {
        throw InputError(
          .unsupported, source: query.source, found: "activations of \(recipe.activations)",
          expected: "8 bits with a scale for each token, in a language model")
      }
      return (.perTokenInt8, false)
    }
    if weights == .floats, let bits = model.config?["weight_bits"]?.integerValue, bits >= 16 {
      return (.float, false)
    }
    if configuration.family == .bitnet || configuration.hasProjectionNorms {
      return (.perTokenInt8, weights == .floats)
    }
    switch weights {
    case .oneScale: return (.perTokenInt8, false)
    case .scales: return (.weightOnly, false)
    case .floats: return (.float, false)
    }
  }
}

/// What the projections of a model hold, by a look at its first layer.
private enum WeightKind {
  /// Ternary codes with one scale for the matrix, packed or as floats.
  case oneScale
  /// Codes with scales of blocks, rows or groups, packed or as floats.
  case scales
  /// Other numbers.
  case floats

  init(_ tensors: DecoderTensors) throws(InputError) {
    self = .oneScale
    for part in [DecoderTensor.Part.query, .gate] {
      guard let tensor = tensors[0, part] else { continue }
      switch try Self.kind(of: tensor) {
      case .floats:
        self = .floats
        return
      case .scales: self = .scales
      case .oneScale: break
      }
    }
  }

  private static func kind(of tensor: ModelTensor) throws(InputError) -> WeightKind {
    guard let codes = tensor.codes else {
      guard case .floats = tensor.content else { return .floats }
      return try kind(ofFloats: tensor)
    }
    if codes.alphabet == .sign { return .scales }
    if case .gguf(_, let info) = tensor.extent, info.type == .i2_s { return .oneScale }
    return try ScaleSummary(codes).common == nil ? .scales : .oneScale
  }

  /// Looks at some rows: floats that are codes times scales have one magnitude in each block.
  private static func kind(ofFloats tensor: ModelTensor) throws(InputError) -> WeightKind {
    let count = min(tensor.rows, 16)
    var magnitudes: Set<UInt32> = []
    for index in 0..<count {
      let row = index * (tensor.rows / count)
      let values = try tensor.values(row..<row + 1)
      for start in stride(from: 0, to: values.count, by: 64) {
        let block = Set(
          values[start..<min(start + 64, values.count)].map { abs($0) }.filter { $0 != 0 })
        guard block.count <= 1 else { return .floats }
        magnitudes.formUnion(block.map(\.bitPattern))
      }
    }
    return magnitudes.count <= 1 ? .oneScale : .scales
  }
}
