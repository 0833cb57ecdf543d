/// What a file says about a decoder-only language model: its sizes and the variants of its graph.
///
/// Loading and conversion share this description. It is read from a Hugging Face folder or a GGUF
/// file, which checks that the tensors are those that it describes.
public struct DecoderConfiguration: Sendable, Hashable {
  /// The family.
  public var family: DecoderFamily
  /// The number of tokens, which is that of rows of the embedding.
  public var vocabularySize: Int
  /// The length of a hidden state.
  public var hiddenSize: Int
  /// The number of layers.
  public var layerCount: Int
  /// The length of the rows inside a feed-forward layer.
  public var intermediateSize: Int
  /// The number of heads of queries.
  public var headCount: Int
  /// The number of heads of keys and values, which divides ``headCount``.
  public var keyValueHeadCount: Int
  /// The length of a head, which need not be ``hiddenSize`` divided by ``headCount``.
  public var headLength: Int
  /// The positions that the model was made for.
  public var contextLength: Int
  /// The epsilon of all RMSNorms but ``projectionNormEpsilon``.
  public var normEpsilon: Float
  /// The function of the gate.
  public var activation: GateActivation
  /// The position embeddings.
  public var rotary: RotaryEmbedding
  /// Whether the rows of queries and keys are in the order of GGUF's architecture llama, in which
  /// neighbouring elements (2j, 2j + 1) turn together; otherwise (j, j + length / 2) do.
  public var isInterleaved: Bool
  /// Whether the output layer is the embedding.
  public var tiesEmbeddings: Bool
  /// Whether there are norms before the last projection of attention and of the feed-forward layer.
  public var hasSubNorms: Bool
  /// Whether the queries and keys of each head are normalized before they turn.
  public var hasQueryKeyNorms: Bool
  /// Whether each projection normalizes its input: BitNet-embedding, and Hugging Face layers with
  /// `use_rms_norm`.
  public var hasProjectionNorms: Bool
  /// The epsilon of the norms of the projections.
  public var projectionNormEpsilon: Float
  /// What the inputs of the projections were in training.
  public var activations: DecoderActivations
  /// Whether projections that are stored as floats are latent weights, which the model uses as
  /// ternary ones (b1.58's quantizer, one scale for each matrix).
  public var hasLatentWeights: Bool
  /// What becomes of the last hidden states.
  public var pooling: DecoderPooling
  /// The token that texts begin with, if there is one.
  public var beginOfSequence: Int?
  /// The tokens that end a text, without repetitions, ascending.
  public var endOfSequence: [Int]
}
