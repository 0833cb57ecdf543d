/// A BitLinear layer with latent weights: normalization, quantization, product, and the
/// straight-through gradients.
///
/// At full strength the forward direction is that of the packed layer: integer codes, an exact
/// product, then the scales (see ``CodeMatrix/matmul(_:bias:)``), so both give the same bits.
/// Below full strength it is x' W'^T + b in float, with `v' = v + strength * (quantized(v) - v)`
/// for the normalized input and for the weights.
///
/// Backward, both quantizers pass the gradient through unchanged and scales are constants:
/// dX = dY W', then back through the normalization, dW = dY^T X', db = sum of dY
/// (Bengio et al., arXiv 1308.3432).
public struct BitLinearOperation: Sendable {
  /// Latent weights, `[out, in]`.
  public let weight: Tensor
  /// `[out]`, added after the scales, or nil.
  public let bias: Tensor?
  /// The learned factor of the normalization, `[in]`, or nil.
  public let normWeight: Tensor?
  /// The learned offset of the normalization, `[in]`, or nil.
  public let normBias: Tensor?
  /// How the input is normalized, and how input and weights are quantized.
  public let recipe: QuantizationRecipe
  /// The number of groups of output rows, each with its own scale; divides `out`.
  public let groups: Int
  /// How far quantized values replace the latent ones.
  public let strength: QuantizationStrength
  /// How floats are multiplied: backward, and forward below full strength.
  public let matmul: FloatMatmul
  /// How the weights of each group become codes; nil for what the quantizer computes from them.
  let givenStatistics: [WeightQuantizer.Statistics]?

  /// The operation with the given parameters.
  public init(
    weight: Tensor, bias: Tensor? = nil, normWeight: Tensor? = nil, normBias: Tensor? = nil,
    recipe: QuantizationRecipe, groups: Int = 1, strength: QuantizationStrength = .full,
    matmul: FloatMatmul = .portable
  ) {
    self.init(
      weight: weight, bias: bias, normWeight: normWeight, normBias: normBias, recipe: recipe,
      groups: groups, strength: strength, matmul: matmul, statistics: nil)
  }

  /// The same, with statistics of the weights that are not computed from them, one for each group.
  package init(
    weight: Tensor, bias: Tensor?, normWeight: Tensor?, normBias: Tensor?,
    recipe: QuantizationRecipe, groups: Int, strength: QuantizationStrength = .full,
    matmul: FloatMatmul, statistics: [WeightQuantizer.Statistics]?
  ) {
    precondition(
      statistics == nil || statistics?.count == groups,
      "\(statistics?.count ?? 0) statistics for \(groups) groups")
    (self.weight, self.bias) = (weight, bias)
    (self.normWeight, self.normBias) = (normWeight, normBias)
    (self.recipe, self.groups) = (recipe, groups)
    (self.strength, self.matmul) = (strength, matmul)
    givenStatistics = statistics
  }

  /// How the weights of each group become codes.
  package func statistics() -> [WeightQuantizer.Statistics] {
    givenStatistics ?? recipe.weightQuantizer.statistics(of: weight, groups: groups)
  }

  /// What ``forward(_:)`` computed that ``reverse(upstream:context:wantsInput:)`` needs again.
  public struct Context: Sendable {
    fileprivate enum Values {
      case integers(input: QuantizedTensor, weight: [WeightQuantizer.Statistics])
      case floats(input: Tensor, weight: Tensor)
    }
    fileprivate let values: Values
    fileprivate let inputShape: Shape
    /// The input, if the gradients need it: only a normalization's do.
    fileprivate let input: Tensor?
  }

  /// The gradients of a loss.
  public struct Gradients: Sendable {
    /// That of the input; ``Tensor/zero`` if not wanted.
    public let input: Tensor
    /// That of the latent weights.
    public let weight: Tensor
    /// That of the bias; nil without one.
    public let bias: Tensor?
    /// That of the normalization's factor; nil without one.
    public let normWeight: Tensor?
    /// That of the normalization's offset; nil without one.
    public let normBias: Tensor?
  }

  /// The gradients that a caller wants, and where they go.
  package struct Wanted {
    package var input: Tensor.Destination
    package var weight: Tensor.Destination
    package var bias: Bool
    package var norm: Bool

    package init(input: Tensor.Destination, weight: Tensor.Destination, bias: Bool, norm: Bool) {
      (self.input, self.weight, self.bias, self.norm) = (input, weight, bias, norm)
    }
  }

  /// The output `[..., out]` for an input `[..., in]`, and what the gradients need.
  public func forward(_ x: Tensor) -> (output: Tensor, context: Context) {
    forward(x, output: .newTensor)
  }

  /// The same, with a destination for the output.
  package func forward(
    _ x: Tensor, output: Tensor.Destination
  ) -> (output: Tensor, context: Context) {
    precondition(
      x.shape.rank > 0 && weight.shape.rank == 2 && x.shape.features == weight.shape[1],
      "an input of shape \(x.shape) does not fit a weight of shape \(weight.shape)")
    guard strength == .full else {
      let (input, effective) = (effectiveInput(x), effectiveWeight())
      return (
        LinearOperation.forward(
          input, weight: effective, bias: bias, matmul: matmul, output: output),
        context(x, .floats(input: input, weight: effective))
      )
    }
    let statistics = statistics()
    let result = Self.forward(
      x, codes: recipe.weightQuantizer.quantize(weight, statistics: statistics), bias: bias,
      normWeight: normWeight, normBias: normBias, recipe: recipe, output: output)
    return (result.output, context(x, .integers(input: result.input, weight: statistics)))
  }

  private func context(_ x: Tensor, _ values: Context.Values) -> Context {
    Context(values: values, inputShape: x.shape, input: recipe.normalization == nil ? nil : x)
  }

  /// The forward direction with codes: normalization, quantization, integer product, scales, bias.
  ///
  /// - Returns: the output `[..., out]` and the quantized input.
  static func forward(
    _ x: Tensor, codes: CodeMatrix, bias: Tensor?, normWeight: Tensor?, normBias: Tensor?,
    recipe: QuantizationRecipe, output: Tensor.Destination
  ) -> (output: Tensor, input: QuantizedTensor) {
    let input = recipe.quantizedInput(x, normWeight: normWeight, normBias: normBias)
    return (codes.matmul(input, bias: bias, output: output), input)
  }

  /// The gradients of the input and the parameters.
  ///
  /// - Parameters:
  ///   - upstream: the gradient of the output, `[..., out]`.
  ///   - context: what ``forward(_:)`` returned for the input.
  ///   - wantsInput: whether the gradient of the input is wanted, which costs a product.
  public func reverse(
    upstream: Tensor, context: Context, wantsInput: Bool = true
  ) -> Gradients {
    reverse(
      context.input, shape: context.inputShape, upstream: upstream, context: context,
      wanted: Wanted(
        input: wantsInput ? .newTensor : .none, weight: .newTensor, bias: bias != nil, norm: true))
  }

  /// The gradients that are wanted, for an input of which the context is computed again if there is
  /// none.
  package func reverse(
    _ x: Tensor, upstream: Tensor, context: Context?, wanted: Wanted
  ) -> Gradients {
    reverse(x, shape: x.shape, upstream: upstream, context: context, wanted: wanted)
  }

  /// The same; without a normalization, a context is enough.
  private func reverse(
    _ x: Tensor?, shape: Shape, upstream: Tensor, context: Context?, wanted: Wanted
  ) -> Gradients {
    precondition(
      upstream.shape.rows == shape.rows && upstream.shape.features == weight.shape[0],
      "a gradient of shape \(upstream.shape) for an input of shape \(shape)")
    let reversesNorm =
      recipe.normalization != nil
      && (wanted.input.isWanted || wanted.norm && (normWeight != nil || normBias != nil))
    let productInput = (reversesNorm ? .newTensor : wanted.input).build(shape) {
      matmul.multiply(upstream, effectiveWeight(context), into: $0)
    }
    let weightGradient = wanted.weight.build(weight.shape) {
      matmul.multiply(upstream, effectiveInput(x, context), transposeA: true, into: $0)
    }
    let norm =
      reversesNorm
      ? x.flatMap {
        recipe.normalization?.reverse(
          $0, weight: normWeight, bias: normBias, upstream: productInput, input: wanted.input,
          wantsParameters: wanted.norm)
      } : nil
    return Gradients(
      input: norm?.input ?? productInput, weight: weightGradient,
      bias: wanted.bias ? upstream.sumOfRows() : nil, normWeight: norm?.weight,
      normBias: norm?.bias)
  }

  /// The input that the product works with: normalized, then quantized as far as ``strength`` says.
  private func effectiveInput(_ x: Tensor?, _ context: Context? = nil) -> Tensor {
    switch context?.values {
    case .integers(let input, _): return input.dequantized()
    case .floats(let input, _): return input
    case nil:
      guard let x else { preconditionFailure("neither the input nor a context") }
      let normalized = recipe.normalized(x, weight: normWeight, bias: normBias)
      return Self.blend(normalized, strength.activations) {
        recipe.activations.quantize(normalized).dequantized()
      }
    }
  }

  /// The weights that the product works with.
  private func effectiveWeight(_ context: Context? = nil) -> Tensor {
    switch context?.values {
    case .integers(_, let statistics):
      recipe.weightQuantizer.values(weight, statistics: statistics)
    case .floats(_, let weight): weight
    case nil:
      Self.blend(weight, strength.weights) {
        recipe.weightQuantizer.values(weight, statistics: statistics())
      }
    }
  }

  private static func blend(
    _ latent: Tensor, _ strength: Float, _ quantized: () -> Tensor
  ) -> Tensor {
    switch strength {
    case 0: latent
    case 1: quantized()
    default: latent.combinedVectors(with: quantized()) { $0 + strength * ($1 - $0) }
    }
  }
}
