import BitCore
import BitFormats
import BitFiles

extension Conversion {
  /// The tensors of a GGUF file.
  func ggufEntries(_ monitor: ConversionMonitor) throws(InputError) -> [GGUFEntry] {
    guard let gguf = type.gguf else { return [] }
    var entries: [GGUFEntry] = []
    for item in items {
      let tensor = item.tensor
      if let codes = item.codes {
        if item.copiesCodes(as: type) {
          entries.append(
            GGUFEntry(item.name, type: gguf, shape: tensor.shape) {
              (writer) throws(InputError) in try tensor.place.copy(to: &writer, monitor)
            })
        } else {
          entries.append(codeEntry(item, codes, gguf, monitor))
        }
      } else {
        entries.append(try plainEntry(item, monitor))
      }
    }
    return entries
  }

  private func codeEntry(
    _ item: ConversionItem, _ codes: CodedTensor, _ gguf: GGUFTensorType,
    _ monitor: ConversionMonitor
  ) -> GGUFEntry {
    // Not its own extents, which may be more than two in a GGUF source.
    let shape = item.tensor.shape.count > 2 ? item.tensor.shape : [codes.rows, codes.columns]
    let entry = GGUFEntry(item.name, codes, type: gguf, shape: shape) {
      (count) throws(InputError) in try monitor.report(count)
    }
    return GGUFEntry(item.name, type: gguf, shape: shape) { (writer) throws(InputError) in
      try entry.stream(&writer)
      item.tensor.releasePages()
    }
  }

  private func plainEntry(
    _ item: ConversionItem, _ monitor: ConversionMonitor
  ) throws(InputError) -> GGUFEntry {
    let tensor = item.tensor
    // GGUF has no scalars.
    let shape = tensor.shape.isEmpty ? [1] : tensor.shape
    let isLossy = options.isLossy
    if item.isRescaled {
      return GGUFEntry(item.name, type: .f32, shape: shape) { (writer) throws(InputError) in
        try item.writeFloats(to: &writer, isLossy: isLossy, monitor)
      }
    }
    let type: GGUFTensorType
    switch tensor.place {
    case .gguf(_, let entry): type = entry.type
    case .safetensors(_, let entry):
      guard let id = Self.dtypes.first(where: { $0.value == entry.dtype })?.key,
        let known = GGUFTensorType.common[id]
      else {
        throw InputError(
          .unsupported, source: tensor.source, found: entry.dtype.rawValue,
          expected: "a type that GGUF has: F32, F16, BF16, F64, I8, I16, I32 or I64")
      }
      type = known
    }
    return GGUFEntry(item.name, type: type, shape: shape) { (writer) throws(InputError) in
      try tensor.place.copy(to: &writer, monitor)
    }
  }

  /// What there is to say about layers with a recipe of this project, by their names in the target;
  /// Hugging Face's are described by their `quantization_config`.
  private var layerText: String? {
    var layers = JSONObject()
    for item in items where item.codes != nil && item.tensor.layerName != nil {
      guard source.members(of: item.tensor) != nil || options.recipe != nil else { continue }
      layers[item.layerName] = .object(description(of: item))
    }
    return layers.isEmpty ? nil : JSONValue.object(layers).encoded
  }

  /// The key-value pairs of a GGUF file: those of a GGUF source, or what a configuration tells.
  func ggufMetadata() throws(InputError) -> GGUFMetadata {
    var metadata = source.ggufMetadata ?? BitNetMetadata.metadata(of: source)
    metadata[I2SLayout.metadataKey] = nil
    if items.contains(where: { $0.codes != nil }) {
      metadata["general.file_type"] = type.ggufFileType.map(GGUFValue.uint32)
    }
    if !source.isGGUF || options.recipe != nil {
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
