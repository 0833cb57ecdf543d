/// The product of a BitLinear layer after its normalization, with latent weights, and the
/// straight-through gradients.
///
/// At full strength the forward direction is the packed layer's own: integer codes, an exact
/// product, then the scales (see ``CodeMatrix/matmul(_:bias:)``), so both give the same bits.
/// Below full strength it is x' W'^T + b in float with `v' = v + strength * (quantized(v) - v)`.
///
/// Backward, both quantizers pass the gradient on as if they were not there and scales are
/// constants: dX = dY W', dW = dY^T X', db = sum of dY (Bengio et al., arXiv 1308.3432).
public struct BitLinearOperation: Sendable {
  /// `[..., out]`.
  public let output: Tensor

  private let weight: Tensor
  private let hasBias: Bool
  private let inputShape: Shape
  private let recipe: QuantizationRecipe
  private let kept: Kept
  private let matmul: FloatMatmul

  /// What backward needs of the input: codes, or the values that stood in for it.
  private enum Kept: Sendable {
    case integers(QuantizedTensor, [WeightQuantizer.Statistics])
    case floats(input: Tensor, weight: Tensor)
  }

  /// Computes the output and keeps what the gradients need.
  ///
  /// - Parameters:
  ///   - x: the input after normalization, `[..., in]`.
  ///   - weight: latent weights `[out, in]`.
  ///   - bias: `[out]` or nil.
  ///   - groups: the number of blocks of output rows with scales of their own; divides `out`.
  ///   - matmul: multiplies floats: backward, and forward below full strength.
  public init(
    _ x: Tensor, weight: Tensor, bias: Tensor?, recipe: QuantizationRecipe, groups: Int = 1,
    strength: QuantizationStrength = .full, matmul: FloatMatmul = .portable
  ) {
    precondition(
      x.shape.rank > 0 && weight.shape.rank == 2 && x.shape.features == weight.shape[1],
      "an input of shape \(x.shape) does not fit a weight of shape \(weight.shape)")
    self.weight = weight
    self.recipe = recipe
    self.matmul = matmul
    hasBias = bias != nil
    inputShape = x.shape
    if strength == .full {
      let quantized = recipe.activations.quantize(x)
      let statistics = recipe.weightQuantizer.statistics(of: weight, groups: groups)
      output = recipe.weightQuantizer.quantize(weight, statistics: statistics)
        .matmul(quantized, bias: bias)
      kept = .integers(quantized, statistics)
    } else {
      let input = Self.blend(x, strength.activations) {
        recipe.activations.quantize(x).dequantized()
      }
      let blended = Self.blend(weight, strength.weights) {
        recipe.weightQuantizer.values(weight, groups: groups)
      }
      output = LinearOperation.forward(input, weight: blended, bias: bias, matmul: matmul)
      kept = .floats(input: input, weight: blended)
    }
  }

  /// The gradients of the input (``Tensor/zero`` if not wanted), the weight and the bias.
  public func reverse(
    upstream: Tensor, wantsInput: Bool = true
  ) -> (input: Tensor, weight: Tensor, bias: Tensor?) {
    let input: Tensor
    switch kept {
    case .integers(let quantized, _): input = quantized.dequantized()
    case .floats(let blended, _): input = blended
    }
    var inputGradient = Tensor.zero
    if wantsInput {
      let effective: Tensor
      switch kept {
      case .integers(_, let statistics):
        effective = recipe.weightQuantizer.values(weight, statistics: statistics)
      case .floats(_, let blended): effective = blended
      }
      inputGradient = matmul(upstream, effective).reshaped(inputShape)
    }
    return (
      inputGradient, matmul(upstream, input, transposeA: true),
      hasBias ? upstream.sumOfRows() : nil
    )
  }

  /// The gradients at full strength for a caller that kept the input instead of the operation.
  ///
  /// - Parameters:
  ///   - x: the input after normalization, `[tokens, in]`.
  ///   - upstream: `[tokens, out]`.
  ///   - input: memory for `[tokens, in]`, or nil if not wanted.
  ///   - weightGradient: memory for `[out, in]`, or nil if not wanted.
  package static func reverse(
    _ x: Tensor, weight: Tensor, recipe: QuantizationRecipe, groups: Int, upstream: Tensor,
    matmul: FloatMatmul, input: UnsafeMutablePointer<Float>?,
    weightGradient: UnsafeMutablePointer<Float>?
  ) {
    if let input {
      matmul.multiply(upstream, recipe.weightQuantizer.values(weight, groups: groups), into: input)
    }
    if let weightGradient {
      matmul.multiply(
        upstream, recipe.activations.quantize(x).dequantized(), transposeA: true,
        into: weightGradient)
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
