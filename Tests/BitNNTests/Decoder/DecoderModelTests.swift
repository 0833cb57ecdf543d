import BitCore
import BitFormats
import TestSupport
import Testing
import _Differentiation

@testable import BitNN

/// What decoders compute, whatever the numbers of their weights.
@Suite struct DecoderModelTests {
  /// A loss and the gradients of all parameters.
  private struct Step {
    let loss: Float
    let gradients: [String: Tensor]

    init(_ model: DecoderModel, texts: Int, positions: Int) {
      let (tokens, labels) = DecoderSample.texts(
        count: texts, positions: positions, vocabulary: model.configuration.vocabularySize)
      let (loss, pullback) = valueWithPullback(at: model) {
        $0.loss(tokens, labels: labels, positions: positions)
      }
      (self.loss, gradients) = (loss, model.namedGradients(pullback(1)))
    }

    func hasBits(of other: Step) -> Bool {
      loss.bitPattern == other.loss.bitPattern && gradients.keys == other.gradients.keys
        && gradients.allSatisfy { name, gradient in
          other.gradients[name].map { sameBits($0, gradient) } == true
        }
    }
  }

  @Test(arguments: DecoderSample.all)
  func everyParameterHasAGradient(_ sample: DecoderSample) {
    let model = sample.model()
    let step = Step(model, texts: 2, positions: 7)
    #expect(step.loss.isFinite)
    #expect(step.gradients.count == model.parameters().count)
    for (name, gradient) in step.gradients {
      #expect(gradient.isFinite && gradient.scalars.contains { $0 != 0 }, "\(name)")
    }
  }

  /// The loss is that of the logits, of which there are as many as tokens.
  @Test(arguments: DecoderSample.all)
  func lossIsThatOfLogits(_ sample: DecoderSample) {
    let model = sample.model()
    let (tokens, labels) = DecoderSample.texts(count: 2, positions: 7, vocabulary: 40)
    let logits = model(tokens, positions: 7)
    #expect(logits.shape == [2, 7, 40])
    let expected = softmaxCrossEntropy(logits, labels: labels, ignoredLabel: -100)
    let loss = model.loss(tokens, labels: labels, positions: 7)
    #expect(abs(loss - expected) < 1e-6 * expected)
    let divided = model.loss(tokens, labels: labels, positions: 7, divisor: 24)
    #expect(abs(divided - expected / 2) < 1e-6 * expected)
  }

  /// A text has its logits whatever the other texts of a batch and its own later tokens are.
  @Test(arguments: DecoderSample.all)
  func textsAndPositionsAreApart(_ sample: DecoderSample) {
    let model = sample.model()
    let (tokens, _) = DecoderSample.texts(count: 3, positions: 9, vocabulary: 40)
    let together = model(tokens, positions: 9)
    for text in 0..<3 {
      let start = text * 9
      let alone = model(Array(tokens[start..<start + 9]), positions: 9)
      let beginning = model(Array(tokens[start..<start + 5]), positions: 5)
      let row = together.sliced(axis: 0, text..<text + 1)
      #expect((alone - row).scalars.allSatisfy { abs($0) < 1e-5 })
      let first = row.sliced(axis: 1, 0..<5)
      #expect((beginning - first).scalars.allSatisfy { abs($0) < 1e-5 })
    }
  }

  @Test(arguments: ["llama", "bitnet", "norms of projections"])
  func recomputedActivationsGiveTheSameBits(_ name: String) {
    var model = DecoderSample.named(name).model()
    let kept = Step(model, texts: 2, positions: 7)
    model.checkpointsActivations = true
    #expect(Step(model, texts: 2, positions: 7).hasBits(of: kept))
  }

  /// Large enough that products are split over threads.
  @Test(arguments: [nil, QuantizationRecipe.b158])
  func bitsDoNotDependOnThreads(_ recipe: QuantizationRecipe?) {
    var generator = SeededGenerator(seed: 2)
    let model = DecoderModel(
      .llama(
        vocabulary: 300, hidden: 96, layers: 1, heads: 6, keyValueHeads: 2, intermediate: 160),
      recipe: recipe, using: &generator)
    let steps = withThreadLimits { Step(model, texts: 4, positions: 64) }
    #expect(steps.one.gradients.count == model.parameters().count)
    #expect(steps.one.hasBits(of: steps.all))
  }

  // MARK: - Other models from a model

  private static let layerNames = [
    "input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj",
    "self_attn.o_proj", "post_attention_layernorm", "mlp.gate_proj", "mlp.up_proj",
    "mlp.down_proj",
  ]

  private func names(_ more: [String] = [], isTied: Bool = false) -> Set<String> {
    let layers = (0..<2).flatMap { layer in
      (Self.layerNames + more).map { "model.layers.\(layer).\($0).weight" }
    }
    return Set(
      layers + ["model.embed_tokens.weight", "model.norm.weight"]
        + (isTied ? [] : ["lm_head.weight"]))
  }

  private func names(_ model: DecoderModel) -> Set<String> {
    let names = model.parameters().map(\.name)
    #expect(Set(names).count == names.count)
    return Set(names)
  }

  @Test func parametersHaveHuggingFaceNames() {
    #expect(names(DecoderSample.named("llama").model()) == names())
    #expect(names(DecoderSample.named("llama tied").model()) == names(isTied: true))
    #expect(
      names(DecoderSample.named("qwen3").model())
        == names(["self_attn.q_norm", "self_attn.k_norm"]))
    #expect(
      names(DecoderSample.named("bitnet").model())
        == names(["self_attn.attn_sub_norm", "mlp.ffn_sub_norm"], isTied: true))
    let projections = Self.layerNames.filter { $0.hasSuffix("_proj") }.map { "\($0).norm" }
    #expect(
      names(DecoderSample.named("norms of projections").model())
        == names(projections, isTied: true))
    for sample in DecoderSample.all {
      #expect(sample.model().parameterCount == sample.configuration.parameterCount)
    }
  }

  /// The same weights for every recipe, and others for another seed.
  @Test func madeFromASeed() {
    let (plain, quantized) = (
      DecoderSample.named("llama").model(), DecoderSample.named("llama b158").model()
    )
    #expect(sameParameters(plain, quantized))
    #expect(!sameParameters(plain, DecoderSample.named("llama").model(seed: 2)))
    #expect(plain.bitLinears().isEmpty && quantized.bitLinears().count == 14)
    #expect(quantized.configuration.hasLatentWeights && !plain.configuration.hasLatentWeights)
    #expect(plain.configuration.activations == .float)
    #expect(quantized.configuration.activations == .perTokenInt8)
    var other = quantized.configuration
    (other.hasLatentWeights, other.activations) = (false, .float)
    #expect(other == plain.configuration)
  }

  @Test func insertedSubNorms() {
    let model = DecoderSample.named("llama").model()
    let inserted = model.insertingSubNorms()
    #expect(inserted.configuration.family == .bitnet && inserted.configuration.hasSubNorms)
    #expect(inserted.configuration.activation == .silu)
    let added = names(["self_attn.attn_sub_norm", "mlp.ffn_sub_norm"])
    #expect(names(inserted) == added)
    for (name, value) in inserted.parameters() where !names(model).contains(name) {
      #expect(value == Tensor(repeating: 1, shape: [name.contains("mlp") ? 24 : 16]))
    }
    // Nothing else changed, and a second time nothing at all.
    let after = Dictionary(uniqueKeysWithValues: inserted.parameters().map { ($0.name, $0.value) })
    for (name, value) in model.parameters() {
      #expect(after[name].map { sameBits($0, value) } == true, "\(name)")
    }
    #expect(sameParameters(inserted.insertingSubNorms(), inserted))
    // They do normalize.
    let tokens: [Int32] = [1, 2, 3]
    #expect(model(tokens, positions: 3) != inserted(tokens, positions: 3))
    #expect(Step(inserted, texts: 1, positions: 5).gradients.count == added.count)
  }

  @Test func bitLinearOfARecipe() {
    let model = DecoderSample.named("llama").model()
    let quantized = model.bitLinear(.b158)
    #expect(sameParameters(model, quantized))
    #expect(quantized.bitLinears().count == 14)
    #expect(quantized.bitLinears().allSatisfy { $0.layer.recipe == .b158WithoutNorm })
    #expect(quantized.head?.bitLinear == nil)
    #expect(quantized.configuration == DecoderSample.named("llama b158").model().configuration)
    // What a model is that was made with this recipe.
    let made = DecoderSample.named("llama b158").model()
    let tokens: [Int32] = [1, 2, 3, 4]
    #expect(sameBits(made(tokens, positions: 4), quantized(tokens, positions: 4)))
    #expect(model(tokens, positions: 4) != quantized(tokens, positions: 4))
    let groups = model.bitLinear(.bitnet, groups: 2)
    #expect(groups.bitLinears().allSatisfy { $0.layer.groups == 2 })
    #expect(groups.configuration.activations == .float)
    #expect(groups.configuration.hasLatentWeights)
  }
}
