import BitCore
import BitFiles
import BitFormats

extension Conversion {
  /// The tensors of a safetensors file.
  func safetensorsEntries() throws(InputError) -> [SafetensorsEntry] {
    var entries: [SafetensorsEntry] = []
    for item in plan.items {
      if item.codes == nil {
        entries.append(plainEntry(item))
      } else {
        entries += type == .hf ? try huggingFaceEntries(item) : packedEntries(item)
      }
    }
    return entries
  }

  /// The strings of a safetensors file: those of the source, and what its layers need.
  func safetensorsMetadata() throws(InputError) -> [String: String] {
    var metadata = source.strings
    for key in [
      PackedLayerFile.metadataKey, ModelFile.quantizationKey, I2SLayout.metadataKey,
    ] {
      metadata[key] = nil
    }
    metadata["format"] = metadata["format"] ?? "pt"
    let coded = plan.items.filter { $0.codes != nil }
    if coded.isEmpty { return metadata }
    if type == .hf {
      if case .safetensors(let path) = target {
        metadata[ModelFile.quantizationKey] = try quantizationText(source: path)
      }
    } else {
      let layers = JSONObject(coded.map { ($0.layerName, .object(description(of: $0))) })
      metadata[PackedLayerFile.metadataKey] = JSONValue.object(layers).encoded
    }
    return metadata
  }

  /// The `quantization_config` as text.
  func quantizationText(source: String) throws(InputError) -> String {
    let config = try plan.quantization.written(into: [:], source: source)
    return (config[HuggingFaceQuantization.key] ?? .null).encoded
  }

  /// A tensor without codes.
  private func plainEntry(_ item: ConversionItem) -> SafetensorsEntry {
    let tensor = item.tensor
    if case .copied = item.storage, let dtype = tensor.dtype {
      return SafetensorsEntry(item.name, dtype: dtype, shape: tensor.shape) {
        (writer) throws(InputError) in try item.copy(to: &writer)
      }
    }
    let isLossy = options.isLossy
    return SafetensorsEntry(item.name, dtype: item.floatType, shape: tensor.shape) {
      (writer) throws(InputError) in try item.writeFloats(to: &writer, isLossy: isLossy)
    }
  }

  private func huggingFaceEntries(_ item: ConversionItem) throws(InputError) -> [SafetensorsEntry] {
    let scaleName = "\(item.layerName).weight_scale"
    guard case .huggingFace(let codes, let scale) = item.storage else {
      guard case .huggingFace(let layer) = item.tensor.packing else { return [] }
      return [copy(layer.weight, of: item), layer.scale.entry(scaleName)]
    }
    var entries = [
      try HuggingFaceLayer.weightEntry(item.layerName, codes).finally(item.tensor.releasePages),
      scale.entry(scaleName),
    ]
    let hasNorm = plan.items.contains { $0.name == "\(item.layerName).rms_norm.weight" }
    if plan.quantization.usesRMSNorm, !hasNorm {
      entries.append(HuggingFaceLayer.normEntry(item.layerName, inFeatures: codes.columns))
    }
    return entries
  }

  private func packedEntries(_ item: ConversionItem) -> [SafetensorsEntry] {
    guard case .codes(let codes) = item.storage else {
      guard case .bitlinear(let layer) = item.tensor.packing else { return [] }
      return [
        copy(layer.weight, of: item), copy(layer.scales, as: "\(item.layerName).weight_scale"),
      ]
    }
    return PackedLayerFile.entries(item.layerName, codes).map {
      $0.finally(item.tensor.releasePages)
    }
  }

  /// The weight of a layer, whose codes are checked.
  private func copy(_ extent: ByteExtent, of item: ConversionItem) -> SafetensorsEntry {
    let entry = copy(extent, as: item.name)
    return SafetensorsEntry(entry.name, dtype: entry.dtype, shape: entry.shape) {
      (writer) throws(InputError) in
      try item.checkCodes()
      try entry.stream(&writer)
    }
  }

  private func copy(_ extent: ByteExtent, as name: String) -> SafetensorsEntry {
    guard case .safetensors(_, let info) = extent else {
      preconditionFailure("\(extent.source) is copied to another kind of file")
    }
    return SafetensorsEntry(name, dtype: info.dtype, shape: info.shape) {
      (writer) throws(InputError) in try ConversionItem.copy(extent, to: &writer)
    }
  }

  /// What the metadata says of a packed layer.
  func description(of item: ConversionItem) -> JSONObject {
    guard let codes = item.tensor.codes, let layout = item.layout else { return [:] }
    var members: JSONObject
    if let kept = source.members(of: item.tensor) {
      members = kept
      members["block_features"] = nil
      members["groups"] = nil
      members["weights"] = .string(codes.alphabet.rawValue)
      if kept["weights"] != members["weights"] { members["format"] = nil }
    } else {
      var recipe =
        options.recipe ?? source.quantization?.recipe
        ?? QuantizationRecipe(
          weights: codes.alphabet,
          activations: ActivationQuantizer(granularity: .token, epsilon: 1e-5),
          normalization: nil)
      recipe.weights = codes.alphabet
      members = recipe.json
    }
    return PackedLayerFile.description(members, layout)
  }
}

extension ModelTensor {
  /// The type of safetensors with the same bytes.
  fileprivate var dtype: DType? {
    switch extent {
    case .safetensors(_, let info): info.dtype
    case .gguf(_, let info): PlainNumbers(info.type)?.dtype
    }
  }
}

extension SafetensorsEntry {
  /// The same entry, after which `body` is called.
  fileprivate func finally(_ body: @escaping @Sendable () -> Void) -> SafetensorsEntry {
    SafetensorsEntry(name, dtype: dtype, shape: shape) { (writer) throws(InputError) in
      try stream(&writer)
      body()
    }
  }
}
