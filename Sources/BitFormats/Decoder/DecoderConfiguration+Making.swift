import BitCore

extension DecoderConfiguration {
  /// A model of the family llama, without anything that files say about texts.
  ///
  /// - Parameters:
  ///   - vocabulary: the number of tokens.
  ///   - hidden: the length of hidden states.
  ///   - layers: the number of layers.
  ///   - heads: the heads of queries; nil for one for each 64 elements of a hidden state.
  ///   - keyValueHeads: the heads of keys and values; nil for as many as of queries.
  ///   - intermediate: the length inside feed-forward layers; nil for 8/3 of `hidden`, rounded up to
  ///     a multiple of 256, which is what packed formats of GGUF need.
  ///   - context: the positions that it is made for.
  ///   - tiesEmbeddings: whether the output layer is the embedding.
  public static func llama(
    vocabulary: Int, hidden: Int, layers: Int, heads: Int? = nil, keyValueHeads: Int? = nil,
    intermediate: Int? = nil, context: Int = 2048, tiesEmbeddings: Bool = false
  ) -> DecoderConfiguration {
    let heads = heads ?? max(1, hidden / 64)
    precondition(
      vocabulary > 0 && hidden > 0 && layers > 0 && hidden.isMultiple(of: 2 * heads),
      "no model of \(hidden) elements, \(heads) heads, \(layers) layers, \(vocabulary) tokens")
    return DecoderConfiguration(
      family: .llama, vocabularySize: vocabulary, hiddenSize: hidden, layerCount: layers,
      intermediateSize: intermediate ?? (8 * hidden / 3 + 255) / 256 * 256, headCount: heads,
      keyValueHeadCount: keyValueHeads ?? heads, headLength: hidden / heads,
      contextLength: context, normEpsilon: 1e-5, activation: .silu,
      rotary: RotaryEmbedding(theta: 10_000, length: hidden / heads), isInterleaved: false,
      tiesEmbeddings: tiesEmbeddings, hasSubNorms: false, hasQueryKeyNorms: false,
      hasProjectionNorms: false, projectionNormEpsilon: 1e-5, activations: .float,
      hasLatentWeights: false, pooling: .none, beginOfSequence: nil, endOfSequence: [])
  }

  /// A model of the family bitnet, with norms before the last projections and squared ReLU, as BitNet
  /// b1.58 2B4T (arXiv 2504.12285); the parameters are those of
  /// ``llama(vocabulary:hidden:layers:heads:keyValueHeads:intermediate:context:tiesEmbeddings:)``.
  public static func bitnet(
    vocabulary: Int, hidden: Int, layers: Int, heads: Int? = nil, keyValueHeads: Int? = nil,
    intermediate: Int? = nil, context: Int = 2048, tiesEmbeddings: Bool = false
  ) -> DecoderConfiguration {
    var configuration = llama(
      vocabulary: vocabulary, hidden: hidden, layers: layers, heads: heads,
      keyValueHeads: keyValueHeads, intermediate: intermediate, context: context,
      tiesEmbeddings: tiesEmbeddings)
    configuration.family = .bitnet
    configuration.hasSubNorms = true
    configuration.activation = .squaredReLU
    return configuration
  }

  /// The number of weights of a model with this configuration.
  public var parameterCount: Int {
    tensors.reduce(0) { $0 + shape(of: $1).reduce(1, *) }
  }
}
