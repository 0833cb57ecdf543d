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
  ///   - groups: the number of equal groups of output rows with a scale each; must divide each layer's output features.
  ///   - learnsNorm: whether the recipe's normalization has learned parameters.
  ///   - filter: says, by name, which layers to replace; all of them by default.
  public func quantized(
    _ recipe: QuantizationRecipe, groups: Int = 1, learnsNorm: Bool = false,
    filter: (_ name: String, _ layer: Linear) -> Bool = { _, _ in true }
  ) -> Self {
    quantized(groups: groups, learnsNorm: learnsNorm) { filter($0, $1) ? recipe : nil }
  }

  /// This model with ``Linear`` layers replaced by ``BitLinear`` layers, each by its own recipe:
  ///
  /// ```swift
  /// let quantized = model.quantized { name, layer in
  ///   name == "output" ? nil : layer.inFeatures < 256 ? .bitnet : .b158
  /// }
  /// ```
  ///
  /// - Parameters:
  ///   - groups: the number of equal groups of output rows with a scale each; must divide each layer's output features.
  ///   - learnsNorm: whether the normalization, in recipes that have one, has learned parameters.
  ///   - recipe: gives the recipe of a layer, or nil to leave it as it is. Layers that are BitLinear
  ///     layers already are left, too.
  public func quantized(
    groups: Int = 1, learnsNorm: Bool = false,
    recipe: (_ name: String, _ layer: Linear) -> QuantizationRecipe?
  ) -> Self {
    requireChildren()
    var model = self
    model.updateLinears { name, layer in
      guard layer.bitLinear == nil, let recipe = recipe(name, layer) else { return }
      layer.quantize(recipe, groups: groups, learnsNorm: learnsNorm && recipe.normalization != nil)
    }
    return model
  }

  /// This model for inference: every ``BitLinear`` layer holds packed codes and no latent weights.
  /// Its outputs are the same bits. It cannot be trained.
  ///
  /// Evaluate a packed model where speed matters: latent weights are quantized anew on every call.
  public func packed() -> Self {
    requireChildren()
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
    requireChildren()
    return bitLinears().map { ($0.name, $0.layer.packedLayer()) }
  }
}
