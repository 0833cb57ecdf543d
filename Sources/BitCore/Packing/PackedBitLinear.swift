/// A BitLinear layer for inference: packed codes, a scale for each group, no latent weights.
///
/// It gives the same bits as the trained layer that it was made from, on every CPU, for every
/// number of threads and - with a scale for each token - for every batch size.
public struct PackedBitLinear: Sendable {
  /// The codes and scales, `[out, in]`.
  public let matrix: CodeMatrix
  /// `[out]`, added after the scales, or nil.
  public let bias: Tensor?
  /// What is done to the input first, and how it is quantized.
  public let recipe: QuantizationRecipe
  /// The learned factor of the normalization, `[in]`, or nil.
  public let normWeight: Tensor?
  /// The learned offset of the normalization, `[in]`, or nil.
  public let normBias: Tensor?

  /// A layer of the given parts.
  ///
  /// - Throws: ``InputError`` if the parts do not fit one another.
  public init(
    matrix: CodeMatrix, bias: Tensor? = nil, recipe: QuantizationRecipe,
    normWeight: Tensor? = nil, normBias: Tensor? = nil
  ) throws(InputError) {
    func check(_ name: String, _ vector: Tensor?, _ count: Int) throws(InputError) {
      guard let vector, vector.shape != [count] else { return }
      throw InputError(
        .mismatch, source: name, found: "shape \(vector.shape)", expected: "[\(count)]")
    }
    try check("bias", bias, matrix.rows)
    try check("norm weight", normWeight, matrix.columns)
    try check("norm bias", normBias, matrix.columns)
    let normGroups = recipe.normalization?.groups ?? 1
    guard matrix.columns % normGroups == 0 else {
      throw InputError(
        .mismatch, source: "normalization", found: "\(normGroups) groups",
        expected: "a number that divides \(matrix.columns) features")
    }
    guard matrix.alphabet == recipe.weights else {
      throw InputError(
        .mismatch, source: "codes", found: matrix.alphabet.rawValue,
        expected: recipe.weights.rawValue)
    }
    self.matrix = matrix.packed()
    self.bias = bias
    self.recipe = recipe
    self.normWeight = normWeight
    self.normBias = normBias
  }

  /// The layer's input features.
  public var inFeatures: Int { matrix.columns }
  /// The layer's output features.
  public var outFeatures: Int { matrix.rows }
  /// Equal blocks of output rows with a scale each; 1 where scales go by blocks of weights.
  public var groups: Int { max(1, matrix.groupScales.count) }

  /// The output `[..., out]` for an input `[..., in]`.
  public func callAsFunction(_ input: Tensor) -> Tensor {
    matrix.matmul(quantized(input), bias: bias)
  }

  /// Writes the output to `output`, contiguous `[..., out]`.
  package func matmul(_ input: Tensor, into output: UnsafeMutablePointer<Float>) {
    matrix.matmul(quantized(input), bias: bias, into: output)
  }

  private func quantized(_ input: Tensor) -> QuantizedTensor {
    precondition(
      input.shape.rank > 0 && input.shape.features == inFeatures,
      "an input of shape \(input.shape) does not fit a layer of \(inFeatures) input features")
    return recipe.activations.quantize(
      recipe.normalization?(input, weight: normWeight, bias: normBias) ?? input)
  }

  /// Bytes in memory of codes, scales, bias and norm.
  public var byteCount: Int {
    matrix.byteCount
      + MemoryLayout<Float>.stride
      * [bias, normWeight, normBias].compactMap { $0?.count }.reduce(0, +)
  }
}
