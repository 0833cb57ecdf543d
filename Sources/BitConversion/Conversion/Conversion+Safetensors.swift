import BitCore
import BitFormats
import BitFiles

extension Conversion {
  /// The tensors and the metadata of a safetensors file.
  func safetensors(
    _ monitor: ConversionMonitor
  ) throws(InputError) -> (entries: [SafetensorsEntry], metadata: [String: String]) {
    var entries: [SafetensorsEntry] = []
    var layers = JSONObject()
    for item in items {
      if item.codes == nil {
        entries.append(try plainEntry(item, monitor))
      } else if type == .hf {
        entries += huggingFaceEntries(item, monitor)
      } else {
        entries += packedEntries(item, monitor)
        layers[item.layerName] = .object(description(of: item))
      }
    }
    var metadata = source.strings
    for key in [
      PackedLayerFile.metadataKey, ModelFile.quantizationKey,
      I2SLayout.metadataKey,
    ] {
      metadata[key] = nil
    }
    metadata["format"] = metadata["format"] ?? "pt"
    if !layers.isEmpty {
      metadata[PackedLayerFile.metadataKey] = JSONValue.object(layers).encoded
    }
    let hasCodes = items.contains { $0.codes != nil }
    if type == .hf, hasCodes, case .safetensors(let path) = target {
      metadata[ModelFile.quantizationKey] = try quantizationText(source: path)
    }
    return (entries, metadata)
  }

  /// The `quantization_config` as text.
  func quantizationText(source: String) throws(InputError) -> String {
    let config = try quantization.written(into: [:], source: source)
    return (config[HuggingFaceQuantization.key] ?? .null).encoded
  }

  /// A tensor without codes.
  private func plainEntry(
    _ item: ConversionItem, _ monitor: ConversionMonitor
  ) throws(InputError) -> SafetensorsEntry {
    let tensor = item.tensor
    let dtype: DType?
    switch tensor.place {
    case .safetensors(_, let entry): dtype = entry.dtype
    case .gguf(_, let entry): dtype = Self.dtypes[entry.type.id]
    }
    if !item.isRescaled, let dtype {
      return SafetensorsEntry(item.name, dtype: dtype, shape: tensor.shape) {
        (writer) throws(InputError) in try tensor.place.copy(to: &writer, monitor)
      }
    }
    guard case .floats = tensor.content else {
      throw InputError(
        .unsupported, source: tensor.source, found: tensor.type.description,
        expected: "a type that safetensors has, or one that can be read as F32")
    }
    let isLossy = options.isLossy
    return SafetensorsEntry(item.name, dtype: .f32, shape: tensor.shape) {
      (writer) throws(InputError) in
      try item.writeFloats(to: &writer, isLossy: isLossy, monitor)
    }
  }

  /// The types that both kinds of files have, by their numbers in GGUF.
  static let dtypes: [UInt32: DType] = [
    0: .f32, 1: .f16, 30: .bf16, 28: .f64, 24: .i8, 25: .i16, 26: .i32, 27: .i64,
  ]

  private func huggingFaceEntries(
    _ item: ConversionItem, _ monitor: ConversionMonitor
  ) -> [SafetensorsEntry] {
    guard let codes = item.codes, let scale = item.scale else { return [] }
    let scaleEntry = scale.entry("\(item.layerName).weight_scale")
    let tensor = item.tensor
    let shape = [codes.rows / 4, codes.columns]
    if item.copiesCodes(as: .hf) {
      let weight = SafetensorsEntry(item.name, dtype: .u8, shape: shape) {
        (writer) throws(InputError) in try tensor.place.copy(to: &writer, monitor)
      }
      return [weight, scaleEntry]
    }
    let weight = SafetensorsEntry(item.name, dtype: .u8, shape: shape) {
      (writer) throws(InputError) in
      let packing = try HuggingFacePacking(
        rows: codes.rows, columns: codes.columns, source: codes.source)
      try writer.write(packing.packedRows, by: max(1, codes.pieceRows / 4), monitor.report) {
        (packedRows) throws(InputError) in
        try packing.pack(packedRows: packedRows, source: codes.source) {
          (rows) throws(InputError) in try codes.rows(rows).codes
        }
      }
      tensor.releasePages()
    }
    var entries = [weight, scaleEntry]
    // transformers gives every such norm a weight.
    let hasNorm = items.contains { $0.name == "\(item.layerName).rms_norm.weight" }
    if quantization.usesRMSNorm, source.members(of: tensor) != nil, !hasNorm {
      entries.append(
        SafetensorsEntry(
          "\(item.layerName).rms_norm.weight", Tensor(repeating: 1, shape: [codes.columns])))
    }
    return entries
  }

  private func packedEntries(
    _ item: ConversionItem, _ monitor: ConversionMonitor
  ) -> [SafetensorsEntry] {
    guard let codes = item.codes else { return [] }
    let tensor = item.tensor
    let scaleName = "\(item.layerName).weight_scale"
    let rowBytes = CodeMatrix.rowBytes(columns: codes.columns, alphabet: codes.alphabet)
    if item.copiesCodes(as: .bitlinear), let scales = tensor.layer?.scales,
      case .safetensors(_, let scaleEntry) = scales
    {
      return [
        SafetensorsEntry(item.name, dtype: .u8, shape: [codes.rows, rowBytes]) {
          (writer) throws(InputError) in try tensor.place.copy(to: &writer, monitor)
        },
        SafetensorsEntry(scaleName, dtype: .f32, shape: scaleEntry.shape) {
          (writer) throws(InputError) in try scales.copy(to: &writer, monitor)
        },
      ]
    }
    let weight = SafetensorsEntry(item.name, dtype: .u8, shape: [codes.rows, rowBytes]) {
      (writer) throws(InputError) in
      try writer.write(codes.rows, by: codes.pieceRows, monitor.report) {
        (rows) throws(InputError) in
        PackedLayerSource.encode(
          try codes.rows(rows).codes, columns: codes.columns, codes.alphabet)
      }
      tensor.releasePages()
    }
    let shape =
      switch codes.scaleKind {
      case .tensor: [1]
      case .row: [codes.rows]
      case .block: [codes.rows, codes.scalesPerRow]
      }
    let scales = SafetensorsEntry(scaleName, dtype: .f32, shape: shape) {
      (writer) throws(InputError) in
      if codes.scaleKind == .tensor {
        let scale = codes.rows > 0 ? try codes.scales(0..<1) : [1]
        tensor.releasePages()
        return try writer.write(Tensor(scale), as: .f32)
      }
      for first in stride(from: 0, to: codes.rows, by: codes.pieceRows) {
        let scales = try codes.scales(first..<min(codes.rows, first + codes.pieceRows))
        try writer.write(Tensor(scales), as: .f32)
        try monitor.report(writer.count)
      }
      tensor.releasePages()
    }
    return [weight, scales]
  }

  /// What the metadata says of a packed layer.
  func description(of item: ConversionItem) -> JSONObject {
    guard let codes = item.codes else { return [:] }
    if let layer = item.tensor.layer { return layer.members }
    var members: JSONObject
    if let kept = source.members(of: item.tensor) {
      members = kept
      members["block_features"] = nil
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
    members["in_features"] = .integer(Int64(codes.columns))
    if case .block(let length) = codes.scaleKind {
      members["block_features"] = .integer(Int64(length))
    }
    return members
  }
}

extension ConversionItem {
  /// Writes the numbers as F32.
  func writeFloats(
    to writer: inout FileWriter, isLossy: Bool, _ monitor: ConversionMonitor
  ) throws(InputError) {
    for first in stride(from: 0, to: tensor.rows, by: tensor.pieceRows) {
      let range = first..<min(tensor.rows, first + tensor.pieceRows)
      let values = try values(range, isLossy: isLossy)
      try writer.write(Tensor(values), as: .f32)
      try monitor.report(writer.count)
    }
    tensor.releasePages()
  }
}
