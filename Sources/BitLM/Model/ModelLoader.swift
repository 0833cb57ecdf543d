import BitCore
import BitFiles
import BitFormats

/// Reads the weights of a language model from a file of any format.
struct ModelLoader {
  private let configuration: DecoderConfiguration
  private let tensors: DecoderTensors
  private let options: LanguageModel.Options
  private let mode: ActivationMode
  private let progress: (LoadingProgress) -> Void
  private var done: LoadingProgress

  init(
    _ model: ModelFile, _ configuration: DecoderConfiguration, options: LanguageModel.Options,
    mode: ActivationMode,
    progress: @escaping (LoadingProgress) -> Void
  ) throws(InputError) {
    self.configuration = configuration
    tensors = try DecoderTensors(model)
    self.options = options
    self.mode = mode
    self.progress = progress
    done = LoadingProgress(bytes: 0, totalBytes: model.byteCount)
  }

  /// Loads all weights, which are packed while they are read; the file's memory is given back.
  mutating func load() throws(InputError) -> DecoderWeights {
    let rotary = RotaryTable(configuration.rotary)
    let embedding = TokenEmbedding(tensor: try tensor(.embedding))
    var layers: [DecoderLayer] = []
    for index in 0..<configuration.layerCount {
      layers.append(try layer(index, rotary))
    }
    return DecoderWeights(
      configuration: configuration, embedding: embedding, layers: layers,
      norm: try norm(.outputNorm), output: try output())
  }

  private func tensor(_ kind: DecoderTensor) throws(InputError) -> ModelTensor {
    guard let tensor = tensors[kind] else {
      throw InputError(
        .missing, source: tensors.source, found: "no tensor \(kind.name(in: tensors.naming))",
        expected: "all tensors of the model")
    }
    return tensor
  }

  private mutating func layer(
    _ index: Int, _ rotary: RotaryTable
  ) throws(InputError) -> DecoderLayer {
    let configuration = configuration
    let attention = AttentionLayer(
      query: try projection(index, .query), key: try projection(index, .key),
      value: try projection(index, .value), output: try projection(index, .attentionOutput),
      queryNorm: try norm(index, .queryNorm, if: configuration.hasQueryKeyNorms),
      keyNorm: try norm(index, .keyNorm, if: configuration.hasQueryKeyNorms),
      subNorm: try norm(index, .attentionSubNorm, if: configuration.hasSubNorms),
      attention: CausalAttention(
        heads: configuration.headCount, keyValueHeads: configuration.keyValueHeadCount,
        length: configuration.headLength),
      rotary: rotary, isInterleaved: configuration.isInterleaved)
    let feedForward = FeedForwardLayer(
      gate: try projection(index, .gate), up: try projection(index, .up),
      down: try projection(index, .down), activation: configuration.activation,
      subNorm: try norm(index, .feedForwardSubNorm, if: configuration.hasSubNorms))
    return DecoderLayer(
      attentionNorm: try norm(.layer(index, .attentionNorm)), attention: attention,
      feedForwardNorm: try norm(.layer(index, .feedForwardNorm)), feedForward: feedForward)
  }

  private func norm(
    _ kind: DecoderTensor, epsilon: Float? = nil
  ) throws(InputError) -> NormWeight {
    let tensor = try tensor(kind)
    let values = try tensor.values(0..<tensor.rows)
    try Self.check(values, tensor)
    return NormWeight(weight: Tensor(values), epsilon: epsilon ?? configuration.normEpsilon)
  }

  private func norm(
    _ layer: Int, _ part: DecoderTensor.Part, if exists: Bool
  ) throws(InputError) -> NormWeight? {
    exists ? try norm(.layer(layer, part)) : nil
  }

  private static func check(_ values: [Float], _ tensor: ModelTensor) throws(InputError) {
    guard let bad = values.firstIndex(where: { !$0.isFinite }) else { return }
    throw InputError(
      .notFinite, source: tensor.source, found: "\(values[bad]) in place \(bad)",
      expected: "finite numbers")
  }

  private mutating func projection(
    _ layer: Int, _ part: DecoderTensor.Part
  ) throws(InputError) -> Projection {
    let tensor = try tensor(.layer(layer, part))
    var norm: NormWeight?
    if configuration.hasProjectionNorms, let inputNorm = part.inputNorm {
      norm = try self.norm(
        .layer(layer, inputNorm), epsilon: configuration.projectionNormEpsilon)
    }
    return Projection(weights: try weights(of: tensor), norm: norm)
  }

  /// The weights of a linear layer of a decoder layer.
  private mutating func weights(of tensor: ModelTensor) throws(InputError) -> Projection.Weights {
    defer { advance(tensor) }
    if let codes = try codes(of: tensor) {
      return .codes(try codes.packedMatrix(format: format(codes)))
    }
    if configuration.hasLatentWeights {
      let values = try tensor.values(0..<tensor.rows)
      try Self.check(values, tensor)
      let latent = Tensor(values, shape: [tensor.rows, tensor.columns])
      return .codes(WeightQuantizer.ternary.quantize(latent, format: .ternary2))
    }
    return .numbers(try WeightMatrix(tensor))
  }

  /// The codes of a tensor that holds some, be it as floats.
  private func codes(of tensor: ModelTensor) throws(InputError) -> CodedTensor? {
    if let codes = tensor.codes { return codes }
    guard configuration.activations != .float, !configuration.hasLatentWeights else { return nil }
    return try BlockFloats.codes(of: tensor)
  }

  private func format(_ codes: CodedTensor) -> PackedFormat {
    // Floats are made of the default formats only.
    guard mode != .float, let format = options.format, format.alphabet == codes.alphabet else {
      return codes.alphabet.defaultFormat
    }
    return format
  }

  private mutating func output() throws(InputError) -> OutputLayer? {
    guard configuration.pooling == .none else { return nil }
    let tensor = try tensor(configuration.tiesEmbeddings ? .embedding : .output)
    defer { advance(tensor) }
    let weights: Projection.Weights =
      if let codes = try codes(of: tensor) {
        .codes(try codes.packedMatrix(format: format(codes)))
      } else {
        .numbers(try WeightMatrix(tensor))
      }
    var screen: OutputScreen?
    // A screen takes a byte a weight, so for rows of fewer it would be no less to read.
    if case .numbers(let matrix) = weights, matrix.byteCount > matrix.rows * matrix.columns {
      screen = OutputScreen(matrix) { rows in
        let bytes = matrix.rowBytes
        tensor.extent.releasePages(rows.lowerBound * bytes..<rows.upperBound * bytes)
      }
    }
    return OutputLayer(
      projection: Projection(weights: weights, norm: nil), screen: screen, mode: mode)
  }

  private mutating func advance(_ tensor: ModelTensor) {
    tensor.releasePages()
    done.bytes += tensor.byteCount
    progress(done)
  }
}
