import BitCore

extension Module {
  /// This model with ``Linear`` layers replaced by ``BitLinear`` layers that keep their weights
  /// and biases. Everything else stays as it is.
  ///
  /// ```swift
  /// let quantized = model.quantized(.b158) { name, _ in name != "output" }
  /// ```
  ///
  /// - Parameters:
  ///   - recipe: how the new layers quantize.
  ///   - groups: blocks of output rows with a scale each; must divide each layer's output features.
  ///   - filter: says, by name, which layers to replace; all of them by default.
  public func quantized(
    _ recipe: QuantizationRecipe, groups: Int = 1,
    filter: (_ name: String, _ layer: Linear) -> Bool = { _, _ in true }
  ) -> Self {
    var model = self
    model.updateLinears { name, layer in
      if layer.bitLinear == nil, filter(name, layer) { layer.quantize(recipe, groups: groups) }
    }
    return model
  }

  /// This model for inference: every ``BitLinear`` layer holds packed codes and no latent weights.
  /// Its outputs are the same bits. It cannot be trained.
  public func packed() -> Self {
    var model = self
    model.updateBitLinears { _, layer in layer.pack() }
    return model
  }

  /// Sets how far quantized values replace latent ones in every ``BitLinear`` layer.
  public mutating func setQuantizationStrength(_ strength: QuantizationStrength) {
    updateBitLinears { _, layer in layer.strength = strength }
  }

  /// How each ``BitLinear`` layer quantizes, by name, in words that tell any two recipes apart.
  package var quantizationSummary: [(name: String, value: String)] {
    bitLinears().map { ($0.name, $0.layer.recipe.description(groups: $0.layer.groups)) }
  }

  /// The packed form of every ``BitLinear`` layer, by name, in the order of the model.
  public func packedLayers() -> [(name: String, layer: PackedBitLinear)] {
    bitLinears().map { ($0.name, $0.layer.packed()) }
  }
}
