import BitCore
import BitFormats
import _Differentiation

/// A decoder-only language model that can be trained: the families llama, bitnet (with norms before
/// the last projections, squared ReLU) and qwen3, of any size, with linear or ``BitLinear`` layers.
///
/// ```swift
/// var generator = SeededGenerator(seed: 0)
/// let model = DecoderModel(.llama(vocabulary: 257, hidden: 256, layers: 4), using: &generator)
/// let logits = model(tokens, positions: 128)            // [batch, 128, 257]
/// try model.save(toFolder: "my-model")
/// ```
///
/// Parameters have Hugging Face's names (`model.layers.0.self_attn.q_proj.weight`). Embeddings, norms
/// and the output layer are floats. A model that is saved runs in `BitLM` and in transformers.
public struct DecoderModel: Module, Sendable {
  /// The vectors of tokens.
  public var embedding: Embedding
  /// The layers, from the input to the output.
  public var layers: [DecoderBlock]
  /// The norm after the last layer.
  public var norm: RMSNorm
  /// The output layer; nil if it is the embedding.
  public var head: Linear?

  /// What the model computes.
  @noDerivative public internal(set) var configuration: DecoderConfiguration
  /// Whether training keeps only the inputs of layers and computes what is inside them once more for
  /// the gradients, which takes a third more time and far less memory. Results are the same.
  @noDerivative public var checkpointsActivations = false

  init(
    embedding: Embedding, layers: [DecoderBlock], norm: RMSNorm, head: Linear?,
    configuration: DecoderConfiguration
  ) {
    (self.embedding, self.layers, self.norm, self.head) = (embedding, layers, norm, head)
    self.configuration = configuration
  }

  /// The logits `[batch, positions, vocabulary]` of texts.
  ///
  /// - Parameters:
  ///   - tokens: the texts one after another, of ids in 0..<vocabulary.
  ///   - positions: the length of each text.
  @differentiable(reverse,wrt: self)
  public func callAsFunction(_ tokens: [Int32], positions: Int) -> Tensor {
    let hidden = hiddenStates(tokens, positions: positions)
    if let head { return head(hidden) }
    return linear(hidden, weight: embedding.weight)
  }

  /// The normalized last hidden states `[batch, positions, hidden]` of texts; see
  /// ``callAsFunction(_:positions:)``.
  @differentiable(reverse,wrt: self)
  public func hiddenStates(_ tokens: [Int32], positions: Int) -> Tensor {
    precondition(
      positions > 0 && tokens.count.isMultiple(of: positions),
      "\(tokens.count) tokens are no texts of \(positions)")
    let x = embedding(tokens).reshaped([tokens.count / positions, positions, embedding.features])
    return norm(through(layers, x, recomputing: checkpointsActivations))
  }

  /// The mean cross entropy of predicting each label from the tokens before it, without logits of the
  /// whole batch in memory; see `OutputLossOperation`.
  ///
  /// - Parameters:
  ///   - tokens: the texts one after another, of ids in 0..<vocabulary.
  ///   - labels: the token after each one, or -100 for one that does not count.
  ///   - positions: the length of each text.
  ///   - divisor: what to divide the sum by instead of the number of labels that count, so that the
  ///     losses of the parts of a batch add up to that of the batch.
  ///   - teacher: what else is to be learned; nil for labels alone.
  @differentiable(reverse,wrt: self)
  public func loss(
    _ tokens: [Int32], labels: [Int32], positions: Int, divisor: Int? = nil,
    teacher: OutputLossOperation.Teacher? = nil
  ) -> Float {
    let hidden = hiddenStates(tokens, positions: positions)
    if let head {
      return outputLoss(
        hidden, weight: head.weight, labels: labels, divisor: divisor, teacher: teacher)
    }
    return outputLoss(
      hidden, weight: embedding.weight, labels: labels, divisor: divisor, teacher: teacher)
  }

  /// The negative log likelihood of each label, in nats, and 0 for one that does not count; the
  /// parameters are those of ``loss(_:labels:positions:divisor:teacher:)``.
  public func losses(_ tokens: [Int32], labels: [Int32], positions: Int) -> [Double] {
    OutputLossOperation(labels: labels, matmul: .blas).losses(
      hiddenStates(tokens, positions: positions), weight: outputWeight)
  }

  /// What this model tells another one that is to imitate it on the same texts.
  public func teacher(
    _ tokens: [Int32], positions: Int, share: Float, temperature: Float
  ) -> OutputLossOperation.Teacher {
    OutputLossOperation.Teacher(
      hidden: hiddenStates(tokens, positions: positions), weight: outputWeight, share: share,
      temperature: temperature)
  }

  /// How the linear layers are quantized; nil for linear layers.
  public var recipe: QuantizationRecipe? {
    layers.first?.attention.queryProjection.bitLinear?.recipe
  }

  /// The output layer, `[vocabulary, hidden]`.
  private var outputWeight: Tensor { head?.weight ?? embedding.weight }

  /// Shows the parameters under Hugging Face's names.
  public mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    visit("model.embed_tokens", &embedding, gradient?.embedding)
    visit("model.layers", &layers, gradient?.layers)
    visit("model.norm", &norm, gradient?.norm)
    visit("lm_head", &head, gradient?.head)
  }
}
