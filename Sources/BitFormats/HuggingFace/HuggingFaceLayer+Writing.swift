import BitCore

extension HuggingFaceLayer {
  /// A layer to be written, such as one that was trained here or read from another format.
  ///
  /// - Parameters:
  ///   - name: the name in front of `.weight`.
  ///   - layer: ternary codes with one scale, and the recipe of `quantization`.
  ///   - quantization: what `config.json` says about the layers; its linear class decides what
  ///     the stored scale means. With `autobitlinear` the stored bias is bias / scale, rounded.
  ///   - scaleDType: F32, F16 or BF16.
  ///   - rounding: whether a scale that cannot be stored exactly may become the nearest one that
  ///     can; see ``HuggingFaceScale``.
  /// - Throws: ``InputError`` of kind `.unsupported` for what such a file cannot hold: sign codes,
  ///   several different scales, another recipe, rows that are no multiple of 4, a scale; and as
  ///   ``HuggingFaceScale`` does.
  public init(
    _ name: String, _ layer: PackedBitLinear, quantization: HuggingFaceQuantization,
    scaleDType: DType = .f32, rounding: Bool = false
  ) throws(InputError) {
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
    _ = try HuggingFacePacking(
      rows: layer.outFeatures, columns: layer.inFeatures, source: "layer \(name)")
    self.name = name
    self.layer = layer
    storage = .packed
    scale = try HuggingFaceScale(
      multiplier: factor, convention: quantization.scaleConvention, dtype: scaleDType,
      rounding: rounding, source: "layer \(name), weight_scale")
    bias = layer.bias.map { bias in
      let stored =
        quantization.linearClass == .bitlinear ? bias.scalars : bias.scalars.map { $0 / factor }
      return Vector(tensor: Tensor(stored, shape: bias.shape), dtype: .f32)
    }
    // transformers gives every such norm a weight.
    normWeight =
      quantization.usesRMSNorm
      ? Vector(
        tensor: layer.normWeight ?? Tensor(repeating: 1, shape: [layer.inFeatures]), dtype: .f32)
      : nil
  }

  /// The tensors for a file: the bytes that were read, if the layer was read. Exceptions are
  /// weights that are floats of -0, which become 0, and vectors of F64, which are rounded to F32.
  public var entries: [SafetensorsEntry] {
    var entries = [weightEntry, scale.entry("\(name).weight_scale")]
    if let bias {
      entries.append(SafetensorsEntry("\(name).bias", bias.tensor, dtype: bias.dtype))
    }
    if let normWeight {
      entries.append(
        SafetensorsEntry("\(name).rms_norm.weight", normWeight.tensor, dtype: normWeight.dtype))
    }
    return entries
  }

  private var weightEntry: SafetensorsEntry {
    let (matrix, name) = (layer.matrix, "\(name).weight")
    let (rows, columns) = (matrix.rows, matrix.columns)
    let piece = 1 + (1 << 20) / max(1, columns)
    switch storage {
    case .packed:
      return SafetensorsEntry(name, dtype: .u8, shape: [rows / 4, columns]) {
        (writer) throws(InputError) in
        let packing = try HuggingFacePacking(rows: rows, columns: columns, source: name)
        let codes = matrix.codes
        for first in stride(from: 0, to: packing.packedRows, by: piece) {
          let range = first..<min(first + piece, packing.packedRows)
          let bytes = try packing.pack(packedRows: range, source: name) { rows in
            Array(codes[rows.lowerBound * columns..<rows.upperBound * columns])
          }
          try writer.write(bytes)
        }
      }
    case .floats(let dtype):
      return SafetensorsEntry(name, dtype: dtype, shape: [rows, columns]) {
        (writer) throws(InputError) in
        let codes = matrix.codes
        for first in stride(from: 0, to: rows, by: piece) {
          let part = codes[first * columns..<min(first + piece, rows) * columns]
          try writer.write(Tensor(part.map { Float($0) }), as: dtype)
        }
      }
    }
  }
}
