import BitCore

extension HuggingFaceLayer {
  /// The tensors of a layer that is not yet in such a file, such as one that was trained here.
  ///
  /// - Parameters:
  ///   - name: the name in front of `.weight`.
  ///   - layer: ternary codes with one scale, and the recipe of `quantization`.
  ///   - quantization: what `config.json` says about the layers; its linear class decides what
  ///     the stored scale means. With `autobitlinear` the stored bias is bias / scale, rounded.
  ///   - scaleDType: F32, F16 or BF16.
  ///   - rounding: whether a scale that cannot be stored exactly may become the nearest one that
  ///     can; see ``HuggingFaceScale``.
  /// - Throws: `InputError` of kind `.unsupported` for what such a file cannot hold: sign codes,
  ///   several different scales, another recipe, rows that are no multiple of 4, a scale; and as
  ///   ``HuggingFaceScale`` does.
  package static func entries(
    _ name: String, _ layer: PackedBitLinear, quantization: HuggingFaceQuantization,
    scaleDType: DType = .f32, rounding: Bool = false
  ) throws(InputError) -> [SafetensorsEntry] {
    func refuse(_ found: String, _ expected: String) -> InputError {
      InputError(.unsupported, source: "layer \(name)", found: found, expected: expected)
    }
    guard layer.recipe == quantization.recipe else {
      throw refuse(
        layer.recipe.description(groups: layer.groups),
        quantization.recipe.description(groups: 1))
    }
    guard layer.normBias == nil else {
      throw refuse("a bias of the norm", "none, as an RMSNorm has")
    }
    guard let factor = layer.matrix.groupScales.first,
      layer.matrix.groupScales.allSatisfy({ $0 == factor })
    else {
      throw refuse(
        layer.matrix.groupScales.isEmpty
          ? "scales of blocks of weights" : "\(layer.groups) groups with different scales",
        "one scale")
    }
    let codes = CodedTensor(layer.matrix, source: "layer \(name)")
    let scale = try HuggingFaceScale(
      multiplier: factor, convention: quantization.scaleConvention, dtype: scaleDType,
      rounding: rounding, source: "layer \(name), weight_scale")
    var entries = [try weightEntry(name, codes), scale.entry("\(name).weight_scale")]
    if let bias = layer.bias {
      let isScaled = quantization.linearClass == .autobitlinear
      let stored = isScaled ? Tensor(bias.scalars.map { $0 / factor }, shape: bias.shape) : bias
      entries.append(SafetensorsEntry("\(name).bias", stored))
    }
    if quantization.usesRMSNorm {
      entries.append(normEntry(name, layer.normWeight, inFeatures: layer.inFeatures))
    }
    return entries
  }

  /// The tensor of a layer's codes, four to a byte, whose rows are streamed.
  ///
  /// - Throws: ``InputError`` of kind `.unsupported` for rows that are no multiple of 4.
  package static func weightEntry(
    _ name: String, _ codes: CodedTensor
  ) throws(InputError) -> SafetensorsEntry {
    let packing = try HuggingFacePacking(
      rows: codes.rows, columns: codes.columns, source: codes.source)
    return SafetensorsEntry(
      "\(name).weight", dtype: .u8, shape: [packing.packedRows, packing.columns]
    ) { (writer) throws(InputError) in
      try writer.write(packing.packedRows, by: max(1, codes.pieceRows / 4)) {
        (packedRows) throws(InputError) in
        try packing.pack(packedRows: packedRows, source: codes.source) {
          (rows) throws(InputError) in try codes.rows(rows).codes
        }
      }
    }
  }

  /// The weight of a layer's norm; transformers gives every such norm one.
  package static func normEntry(
    _ name: String, _ weight: Tensor? = nil, inFeatures: Int
  ) -> SafetensorsEntry {
    SafetensorsEntry(
      "\(name).rms_norm.weight", weight ?? Tensor(repeating: 1, shape: [inFeatures]))
  }
}
