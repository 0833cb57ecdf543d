import BitCore
import BitFiles
import BitFormats

extension Conversion {
  /// The tensors of a GGUF file.
  func ggufEntries() -> [GGUFEntry] {
    let isLossy = options.isLossy
    let entries = plan.items.map { item in
      let tensor = item.tensor
      // GGUF has no scalars.
      let shape = tensor.shape.isEmpty ? [1] : tensor.shape
      if case .codes(let codes) = item.storage, let gguf = type.gguf {
        let entry = GGUFEntry(item.name, codes, type: gguf, shape: shape)
        return GGUFEntry(item.name, type: gguf, shape: shape) { (writer) throws(InputError) in
          try entry.stream(&writer)
          tensor.releasePages()
        }
      }
      if case .copied = item.storage, let type = tensor.ggufType {
        return GGUFEntry(item.name, type: type, shape: shape) { (writer) throws(InputError) in
          try item.checkCodes()
          try item.copy(to: &writer)
        }
      }
      let type = GGUFTensorType(item.floatType) ?? .f32
      return GGUFEntry(item.name, type: type, shape: shape) { (writer) throws(InputError) in
        try item.writeFloats(to: &writer, isLossy: isLossy)
      }
    }
    return entries + [plan.crossing?.divisorsEntry].compactMap { $0 }
  }

  /// What there is to say about layers with a recipe of this project, by their names in the target;
  /// Hugging Face's are described by their `quantization_config`.
  private var layerText: String? {
    var layers = JSONObject()
    for item in plan.items where item.codes != nil && item.tensor.layerName != nil {
      guard source.members(of: item.tensor) != nil || options.recipe != nil else { continue }
      layers[item.layerName] = .object(description(of: item))
    }
    return layers.isEmpty ? nil : JSONValue.object(layers).encoded
  }

  /// The key-value pairs of a GGUF file: those of a GGUF source, or what a configuration tells.
  func ggufMetadata() throws(InputError) -> GGUFMetadata {
    let architecture = plan.crossing?.architecture(source)
    var metadata =
      source.ggufMetadata
      ?? GeneralMetadata.metadata(of: source, architecture: architecture)
    if let model = plan.crossing?.configuration, let architecture {
      metadata.set(model, architecture: architecture)
      if case .metadata(let vocabulary) = tokenizer {
        for entry in vocabulary.entries { metadata[entry.key] = entry.value }
      } else {
        metadata.setEnds(model)
      }
    }
    metadata[I2SLayout.metadataKey] = nil
    if source.tensors.contains(where: { $0.codes != nil }) {
      let floats: [DType: UInt32] = [.f32: 0, .f16: 1, .bf16: 32]
      let number = type.ggufFileType ?? plan.floatType.flatMap { floats[$0] }
      metadata["general.file_type"] = number.map(GGUFValue.uint32)
    }
    let isQuantized = source.tensors.contains {
      if case .quantized = $0.packing { true } else { false }
    }
    if !source.isGGUF || options.recipe != nil || isQuantized {
      metadata[PackedLayerFile.metadataKey] = layerText.map(GGUFValue.string)
    }
    if !source.isGGUF {
      for (key, value) in source.strings.sorted(by: { ByteKey($0.key) < ByteKey($1.key) })
      where key.hasPrefix("bitlinear.") && key != PackedLayerFile.metadataKey {
        metadata[key] = .string(value)
      }
      if source.quantization != nil {
        metadata[ModelFile.quantizationKey] = .string(try quantizationText(source: path))
      }
    }
    return metadata
  }
}

extension ModelTensor {
  /// The type of GGUF with the same bytes.
  fileprivate var ggufType: GGUFTensorType? {
    switch extent {
    case .safetensors(_, let info): GGUFTensorType(info.dtype)
    case .gguf(_, let info): info.type
    }
  }
}
