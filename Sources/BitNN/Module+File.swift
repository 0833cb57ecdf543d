import BitCore
import BitFormats

extension Module {
  /// Writes the parameters to a safetensors file, under their names. Layers that are packed are
  /// written as codes and scales (see `PackedLayerFile`).
  ///
  /// - Parameters:
  ///   - path: the file, which is replaced as a whole or not at all.
  ///   - metadata: more strings for the file, such as what is needed to build the model again.
  /// - Throws: `InputError` if the file cannot be written or ``checkChildren(gradient:)`` fails.
  public func save(to path: String, metadata: [String: String] = [:]) throws(InputError) {
    try checkChildren()
    try PackedLayerFile.write(
      bitLinears().filter(\.layer.isPacked).map { ($0.name, $0.layer.packedLayer()) },
      tensors: parameters().map { SafetensorsEntry($0.name, $0.value) }, metadata: metadata,
      to: path)
  }

  /// Takes the parameters from the file at `path`; see ``load(from:)``.
  public mutating func load(path: String) throws(InputError) {
    try load(from: SafetensorsFile(path: path))
  }

  /// Takes the parameters from a file that ``save(to:metadata:)`` wrote: layers that are packed in
  /// the file become packed, all others keep their kind.
  ///
  /// - Throws: `InputError` naming the file and the tensor if one is missing, left over or of
  ///   another shape, or if ``checkChildren(gradient:)`` fails; the model is then unchanged.
  public mutating func load(from file: SafetensorsFile) throws(InputError) {
    try checkChildren()
    var model = self
    var failure: InputError?
    var used = Set<String>()
    let packedNames = try Set(file.packedLayerNames())
    model.updateBitLinears { name, layer in
      guard failure == nil, packedNames.contains(name) else { return }
      do throws(InputError) {
        let packed = try file.packedLayer(name)
        try layer.check(packed, source: "\(file.source), layer \(name)")
        layer.replace(by: packed)
        used.formUnion(PackedLayerFile.parts.map { "\(name).\($0)" })
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    try model.loadParameters(from: file, prefix: "", used: &used)
    if let extra = file.tensors.first(where: { !used.contains($0.name) }) {
      throw InputError(
        .mismatch, source: file.source, found: "a tensor \(extra.name)",
        expected: "the parameters of this model only")
    }
    self = model
  }

  /// Replaces every parameter by the tensor `prefix` + name of a file.
  package mutating func loadParameters(
    from file: SafetensorsFile, prefix: String, used: inout Set<String>
  ) throws(InputError) {
    var failure: InputError?
    updateParameters { name, value, _ in
      guard failure == nil else { return }
      do throws(InputError) {
        let tensor = try file.tensor(prefix + name)
        guard tensor.shape == value.shape else {
          throw InputError(
            .mismatch, source: "\(file.source), tensor \(prefix + name)",
            found: "shape \(tensor.shape)", expected: "\(value.shape)")
        }
        value = tensor
        used.insert(prefix + name)
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
  }
}

extension BitLinear {
  /// Checks that a packed layer can replace this one.
  func check(_ layer: PackedBitLinear, source: String) throws(InputError) {
    func describe(_ out: Int, _ inputs: Int, _ recipe: QuantizationRecipe, _ groups: Int) -> String
    {
      "\(out) x \(inputs) " + recipe.description(groups: groups)
    }
    guard layer.outFeatures == outFeatures, layer.inFeatures == inFeatures,
      layer.recipe == recipe, layer.groups == groups
    else {
      throw InputError(
        .mismatch, source: source,
        found: describe(layer.outFeatures, layer.inFeatures, layer.recipe, layer.groups),
        expected: describe(outFeatures, inFeatures, recipe, groups))
    }
    let kept = isPacked ? packedLayer() : nil
    for (name, own, other) in [
      ("bias", bias ?? kept?.bias, layer.bias),
      ("norm.weight", normWeight ?? kept?.normWeight, layer.normWeight),
      ("norm.bias", normBias ?? kept?.normBias, layer.normBias),
    ] where (own == nil) != (other == nil) {
      throw InputError(
        .mismatch, source: source, found: other == nil ? "no \(name)" : "a \(name)",
        expected: other == nil ? "one of shape \(own?.shape ?? [])" : "none")
    }
  }
}
