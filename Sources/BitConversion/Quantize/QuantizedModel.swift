import BitCore
import BitFormats

/// A model whose float matrices become codes while they are read.
public struct QuantizedModel: Sendable {
  /// A float matrix that stays as it is.
  public struct KeptWeight: Sendable {
    /// The name of the tensor.
    public let name: String
    /// Output and input features.
    public let shape: [Int]
    /// Why, in words for the user: "a norm".
    public let reason: String
  }

  /// The model with codes, to be converted.
  public let model: ModelFile
  /// The layers that are quantized, in the order of the model.
  public let layers: [QuantizedLayer]
  /// The matrices that are not, in the order of the model.
  public let kept: [KeptWeight]
  /// What each layer does to its input first, in words for the user; nil for nothing.
  public let normalization: String?

  /// Reads every matrix that is quantized once, for its statistics.
  ///
  /// - Parameters:
  ///   - source: a model with float matrices `[out, in]` in `.weight`.
  ///   - recipe: how weights become codes, and what the layers do beside that. Other activations
  ///     than those of Hugging Face's layers go with the model into the target of a conversion.
  ///   - groups: the number of equal groups of output rows with a scale each.
  ///   - choice: says, by name, which matrices are quantized.
  ///   - progress: is told how far reading is.
  /// - Throws: `InputError`: `.missing` if no matrix is chosen, `.mismatch` if the rows of a weight
  ///   are no multiple of `groups`, `.notFinite` for a weight that is NaN or infinite; and what
  ///   `progress` throws.
  public init(
    _ source: ModelFile, _ recipe: QuantizationRecipe, groups: Int = 1,
    choice: (String) -> WeightChoice = WeightChoice.byName,
    progress: ConversionProgress.Handler? = nil
  ) throws {
    var model = source
    var layers: [QuantizedLayer] = []
    var kept: [KeptWeight] = []
    var chosen: [Int] = []
    for (index, tensor) in source.tensors.enumerated() where tensor.isFloatMatrix {
      switch choice(tensor.name) {
      case .quantize: chosen.append(index)
      case .keep(let reason):
        kept.append(KeptWeight(name: tensor.name, shape: tensor.shape, reason: reason))
      }
    }
    let total = chosen.reduce(0) { $0 + source.tensors[$1].byteCount }
    try ConversionMonitor.run(progress) { (monitor) throws(InputError) in
      var done = 0
      for index in chosen {
        let tensor = source.tensors[index]
        let start = done
        let layer = try QuantizedLayer(tensor, recipe.weightQuantizer, groups: groups) {
          (count) throws(InputError) in try monitor.report(.reading, start + count, of: total)
        }
        done += tensor.byteCount
        layers.append(layer)
        model.tensors[index].content = .codes(layer.codes)
        model.tensors[index].packing = .quantized
      }
    }
    guard !layers.isEmpty else {
      throw InputError(
        .missing, source: source.path, found: "no float matrix to quantize",
        expected: "tensors [out, in] in .weight that are selected")
    }
    var quantization = source.quantization ?? HuggingFaceQuantization(linearClass: .autobitlinear)
    quantization.mode = .offline
    if source.quantization == nil, let norm = recipe.normalization,
      norm == .rms(epsilon: norm.epsilon)
    {
      quantization.usesRMSNorm = true
      quantization.rmsNormEpsilon = Double(norm.epsilon)
    }
    quantization.modulesToNotConvert = Self.modulesToNotConvert(kept, layers)
    model.quantization = quantization
    if recipe.activations != quantization.recipe.activations {
      // No such configuration says it, so the layers do.
      for index in chosen {
        guard let name = model.tensors[index].layerName else { continue }
        model.layers[name] = .object(recipe.json)
      }
    }
    (self.model, self.layers, self.kept) = (model, layers, kept)
    normalization = recipe.normalization.map { norm in
      norm == .rms(epsilon: norm.epsilon)
        ? "RMSNorm" : norm.groups == 1 ? "LayerNorm" : "GroupNorm"
    }
  }

  /// The linear layers that stay floats; nil for what readers assume without a list, the head alone.
  private static func modulesToNotConvert(
    _ kept: [KeptWeight], _ layers: [QuantizedLayer]
  ) -> [String]? {
    let heads: Set = ["lm_head.weight", "output.weight"]
    let names = kept.map(\.name).filter { WeightChoice.byName($0) != .keep("an embedding") }
    let isDefault = names.allSatisfy(heads.contains) && !layers.contains { heads.contains($0.name) }
    return isDefault ? nil : names.map { String($0.dropLast(7)) }
  }
}

extension ModelTensor {
  /// Whether it may be the weight of a linear layer, as far as its shape and type tell.
  fileprivate var isFloatMatrix: Bool {
    guard case .floats = content else { return false }
    return shape.count == 2 && name.hasSuffix(".weight")
  }
}
