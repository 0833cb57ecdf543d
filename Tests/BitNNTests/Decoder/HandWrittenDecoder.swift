// A language model as a user writes one, from what BitNN alone gives.
import BitNN

/// A layer whose projections normalize their own inputs and which has no other norms.
struct HandWrittenBlock: Layer {
  var query: BitLinear
  var key: BitLinear
  var value: BitLinear
  var output: BitLinear
  var gate: BitLinear
  var up: BitLinear
  var down: BitLinear

  static let headLength = 16

  @differentiable(reverse)
  func callAsFunction(_ input: Tensor) -> Tensor {
    let angles = withoutDerivative(at: Self.angles(positions: input.shape[1]))
    let queries = rotary(Self.heads(query(input)), cosines: angles.cosines, sines: angles.sines)
    let keys = rotary(Self.heads(key(input)), cosines: angles.cosines, sines: angles.sines)
    let attended = causalAttention(
      queries: queries, keys: keys, values: Self.heads(value(input)))
    let x = input + output(attended.reshaped(withoutDerivative(at: input.shape)))
    return x + down(GateActivation.silu(gate(x), up(x)))
  }

  @differentiable(reverse)
  private static func heads(_ x: Tensor) -> Tensor {
    let shape = withoutDerivative(at: x.shape)
    return x.reshaped([shape[0], shape[1], shape[2] / headLength, headLength])
  }

  /// Those of the base 10,000.
  private static func angles(positions: Int) -> (cosines: Tensor, sines: Tensor) {
    let half = headLength / 2
    let frequencies = (0..<half).map { TestMath.power(10_000, -Double($0) / Double(half)) }
    let angles = (0..<positions).flatMap { position in frequencies.map { Double(position) * $0 } }
    return (
      Tensor(angles.map { Float(TestMath.cos($0)) }, shape: [positions, half]),
      Tensor(angles.map { Float(TestMath.sin($0)) }, shape: [positions, half])
    )
  }

  mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    visit("wq", &query, gradient?.query)
    visit("wk", &key, gradient?.key)
    visit("wv", &value, gradient?.value)
    visit("wo", &output, gradient?.output)
    visit("w_gate", &gate, gradient?.gate)
    visit("w_up", &up, gradient?.up)
    visit("w_down", &down, gradient?.down)
  }
}

/// Embeddings, layers, a norm, and an output layer that may be the embedding.
struct HandWrittenDecoder: Module {
  var embedding: Embedding
  var layers: [HandWrittenBlock]
  var norm: RMSNorm
  var head: Linear?

  init(hidden: Int, inner: Int, keyValueHeads: Int, vocabulary: Int, layers: Int, isTied: Bool) {
    var recipe = QuantizationRecipe.b158
    recipe.normalization = .rms(epsilon: 1e-5)
    func projection(_ from: Int, _ to: Int) -> BitLinear {
      BitLinear(from, to, recipe: recipe, learnsNorm: true)
    }
    let keys = keyValueHeads * HandWrittenBlock.headLength
    self.layers = (0..<layers).map { _ in
      HandWrittenBlock(
        query: projection(hidden, hidden), key: projection(hidden, keys),
        value: projection(hidden, keys), output: projection(hidden, hidden),
        gate: projection(hidden, inner), up: projection(hidden, inner),
        down: projection(inner, hidden))
    }
    embedding = Embedding(vocabulary, hidden)
    norm = RMSNorm(hidden, epsilon: 1e-5)
    head = isTied ? nil : Linear(hidden, vocabulary, bias: false)
  }

  /// The normalized last hidden states `[batch, positions, hidden]`.
  @differentiable(reverse,wrt: self)
  func hiddenStates(_ tokens: [Int32], positions: Int) -> Tensor {
    var x = embedding(tokens).reshaped([tokens.count / positions, positions, embedding.features])
    for index in withoutDerivative(at: layers.indices) { x = layers[index](x) }
    return norm(x)
  }

  @differentiable(reverse,wrt: self)
  func loss(_ tokens: [Int32], labels: [Int32], positions: Int) -> Float {
    let hidden = hiddenStates(tokens, positions: positions)
    if let head { return outputLoss(hidden, weight: head.weight, labels: labels) }
    return outputLoss(hidden, weight: embedding.weight, labels: labels)
  }

  mutating func visitChildren(_ visit: ModuleVisitor, gradient: TangentVector?) {
    visit("embed", &embedding, gradient?.embedding)
    visit("layers", &layers, gradient?.layers)
    visit("norm", &norm, gradient?.norm)
    visit("head", &head, gradient?.head)
  }
}
