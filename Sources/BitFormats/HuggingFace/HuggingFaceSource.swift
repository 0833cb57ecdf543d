import BitCore

/// Reads the weights of Hugging Face layers as codes, row by row.
enum HuggingFaceSource {
  /// The codes of a layer; nil if its scale belongs to another kind of quantization.
  static func tensor(
    _ name: String, of checkpoint: ShardedSafetensors, quantization: HuggingFaceQuantization?
  ) throws(InputError) -> ModelTensor? {
    let weightName = "\(name).weight"
    let scaleName = "\(name).weight_scale"
    guard let weight = checkpoint[weightName], weight.shape.count == 2 else { return nil }
    guard let quantization else {
      guard weight.dtype == .u8, checkpoint[scaleName] != nil else { return nil }
      throw InputError(
        .missing, source: try checkpoint.file(of: weightName).source(of: weight),
        found: "packed weights without a quantization_config",
        expected: "config.json in the same folder, which tells whether weight_scale multiplies "
          + "or divides")
    }
    let file = try checkpoint.file(of: weightName)
    let source = file.source(of: weight)
    let isFloat = weight.dtype.floatConversion != nil
    guard weight.dtype == .u8 || (isFloat && quantization.linearClass == .autobitlinear) else {
      throw InputError(
        .mismatch, source: source, found: "\(weight.dtype) weights with a weight_scale",
        expected: "packed weights, U8 [out / 4, in]")
    }
    let scaleFile = try checkpoint.file(of: scaleName)
    let scale = try HuggingFaceScale(
      scaleName, from: scaleFile, convention: quantization.scaleConvention)
    let scaleEntry = try scaleFile.info(of: scaleName)
    let multiplier = scale.multiplier
    let codes: CodedTensor
    if weight.dtype == .u8 {
      let bias = checkpoint["\(name).bias"]
      let packing = try HuggingFacePacking(of: weightName, in: file, rows: bias?.shape.first)
      codes = CodedTensor(
        source: source, rows: packing.rows, columns: packing.columns, alphabet: .ternary,
        scaleKind: .tensor
      ) { (range) throws(InputError) in
        let codes = try file.withUnsafeBytes(of: weightName) { (bytes) throws(InputError) in
          try packing.unpack(rows: range, from: bytes, source: source)
        }
        return (codes, [multiplier])
      }
    } else {
      let columns = weight.shape[1]
      codes = CodedTensor(
        source: source, rows: weight.shape[0], columns: columns, alphabet: .ternary,
        scaleKind: .tensor
      ) { (range) throws(InputError) in
        let values = try file.tensor(weightName, rows: range).scalars
        if let bad = values.firstIndex(where: { $0 != 0 && $0.magnitude != 1 }) {
          throw InputError(
            .malformed, source: source,
            found: "\(values[bad]) in row \(range.lowerBound + bad / columns), "
              + "column \(bad % columns)",
            expected: "weights -1, 0 and 1")
        }
        return (values.map { Int8($0) }, [multiplier])
      }
    }
    var tensor = ModelTensor(
      name: weightName, shape: [codes.rows, codes.columns], content: .codes(codes),
      place: .safetensors(file, weight), extraBytes: scaleEntry.byteRange.count)
    tensor.scale = (.safetensors(scaleFile, scaleEntry), scale)
    return tensor
  }
}
