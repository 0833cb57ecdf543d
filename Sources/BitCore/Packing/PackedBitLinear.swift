/// A BitLinear layer for inference: packed codes and their scales, without latent weights.
///
/// It gives the same bits as the trained layer that it was made from, on every CPU, for every
/// number of threads and, without a scale for the whole tensor, for every batch size.
public struct PackedBitLinear: Sendable {
  /// The codes and scales, `[out, in]`.
  public let matrix: CodeMatrix
  /// `[out]`, added after the scales, or nil.
  public let bias: Tensor?
  /// How the input is normalized and quantized.
  public let recipe: QuantizationRecipe
  /// The learned factor of the normalization, `[in]`, or nil.
  public let normWeight: Tensor?
  /// The learned offset of the normalization, `[in]`, or nil.
  public let normBias: Tensor?

  /// A layer of the given parts. A matrix that is not packed is packed.
  ///
  /// - Throws: ``InputError`` if the parts do not fit each other.
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

  private init(_ other: PackedBitLinear, matrix: CodeMatrix) {
    self.matrix = matrix
    (bias, recipe) = (other.bias, other.recipe)
    (normWeight, normBias) = (other.normWeight, other.normBias)
  }

  /// The same layer with other scales of the same kind.
  package func rescaled(_ scales: WeightScales) -> PackedBitLinear {
    PackedBitLinear(self, matrix: matrix.rescaled(scales))
  }

  /// The layer's input features.
  public var inFeatures: Int { matrix.columns }
  /// The layer's output features.
  public var outFeatures: Int { matrix.rows }
  /// The number of groups of output rows with a scale each; 1 if scales belong to blocks of weights.
  public var groups: Int { max(1, matrix.groupScales.count) }

  /// The output `[..., out]` for an input `[..., in]`.
  public func callAsFunction(_ input: Tensor) -> Tensor { forward(input, output: .newTensor) }

  /// The same, with a destination for the output.
  package func forward(_ input: Tensor, output: Tensor.Destination) -> Tensor {
    precondition(
      input.shape.rank > 0 && input.shape.features == inFeatures,
      "an input of shape \(input.shape) does not fit a layer of \(inFeatures) input features")
    return BitLinearOperation.forward(
      input, codes: matrix, bias: bias, normWeight: normWeight, normBias: normBias, recipe: recipe,
      output: output
    ).output
  }

  /// Bytes in memory of codes, scales, bias and normalization.
  public var byteCount: Int {
    matrix.byteCount
      + MemoryLayout<Float>.stride
      * [bias, normWeight, normBias].compactMap { $0?.count }.reduce(0, +)
  }
}

extension PackedBitLinear: CustomStringConvertible {
  /// Extents, format, scales, recipe and bytes in one line.
  public var description: String {
    "PackedBitLinear(inFeatures: \(inFeatures), outFeatures: \(outFeatures), "
      + "bias: \(bias != nil), format: \(matrix.formatName), scales: \(matrix.scales), "
      + "recipe: \(recipe), bytes: \(byteCount))"
  }
}
