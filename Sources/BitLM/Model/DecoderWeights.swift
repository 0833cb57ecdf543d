import BitCore
import BitFormats

/// The weights of a decoder-only language model, ready to run.
struct DecoderWeights: Sendable {
  let configuration: DecoderConfiguration
  /// The embeddings of the tokens, read from the file when they are used.
  let embedding: TokenEmbedding
  let layers: [DecoderLayer]
  let norm: NormWeight
  /// From the last hidden states to logits; nil in a model that only embeds texts.
  let output: OutputLayer?

  /// Whether any layer has ternary or sign weights, whose inputs are rounded.
  var hasCodes: Bool {
    (layers.flatMap(\.projections) + [output?.projection].compactMap(\.self)).contains {
      if case .codes = $0.weights { true } else { false }
    }
  }

  /// Bytes of weights that are read for each token, without the embedding.
  var layerByteCount: Int {
    layers.reduce(0) { $0 + $1.projections.reduce(0) { $0 + $1.byteCount } }
  }

  /// The last hidden states of the rows of a batch, not yet normalized, in the workspace.
  ///
  /// - Throws: `InputError` for a token that has no embedding, before any state has changed, and for
  ///   a file that cannot be read.
  func evaluate(
    _ texts: [BatchText], states: inout [[AttentionState]], workspace: Workspace
  ) throws(InputError) {
    try embedding.write(texts, to: workspace.hidden)
    for (index, layer) in layers.enumerated() {
      layer(texts, states: &states[index], workspace: workspace)
    }
  }
}
