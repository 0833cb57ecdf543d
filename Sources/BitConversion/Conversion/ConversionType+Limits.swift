import BitCore
import BitFormats

extension ConversionType {
  /// Whether a tensor's bytes are the same in the source and as this type.
  func copies(_ tensor: ModelTensor) -> Bool {
    if tensor.rowOrder != nil { return false }
    return switch (tensor.packing, tensor.extent) {
    case (.huggingFace(let layer), _): self == .hf && layer.storage == .packed
    case (.bitlinear, _): self == .bitlinear
    case (.gguf, .gguf(let file, let info)):
      gguf == info.type && (info.type != .i2_s || file.i2sLayout == .x86)
    default: false
    }
  }

  /// Whether the type may have one scale where the codes have several.
  func hasOneScale(_ codes: CodedTensor) -> Bool {
    switch self {
    case .hf, .i2_s: true
    case .bitlinear: if case .block = codes.scaleKind { true } else { false }
    case .float, .tq1_0, .tq2_0, .q1_0, .q2_0: false
    }
  }

  /// What keeps the type from holding codes of this shape and alphabet, whatever their scales are;
  /// nil if nothing does.
  func obstacle(_ tensor: ModelTensor, _ codes: CodedTensor) -> InputError? {
    func unsupported(_ found: String, _ expected: String) -> InputError {
      InputError(.unsupported, source: tensor.source, found: found, expected: expected)
    }
    if self == .float { return nil }
    if let gguf { return GGUFCodeWriter.obstacle(codes, gguf) }
    guard tensor.layerName != nil else { return unsupported("codes", "a name in .weight") }
    guard tensor.shape.count == 2 else {
      return unsupported(
        "codes of shape \(tensor.shape)", "a matrix [out, in]; GGUF holds other shapes too")
    }
    if self == .hf, !codes.rows.isMultiple(of: 4) {
      return unsupported(
        "\(codes.rows) rows of ternary weights",
        "a multiple of 4 for the type hf; the type bitlinear holds any")
    }
    return nil
  }

  /// What keeps the type from holding codes and scales exactly; nil if nothing does.
  func obstacle(
    _ codes: CodedTensor, _ scales: ScaleSummary, _ convention: HuggingFaceScale.Convention
  ) -> InputError? {
    func refuse(_ kind: InputError.Kind, _ found: String, _ expected: String) -> InputError {
      InputError(kind, source: codes.source, found: found, expected: expected)
    }
    if let gguf { return GGUFCodeWriter.obstacle(codes, scales, gguf) }
    switch (self, codes.scaleKind) {
    case (.float, _): return nil
    case (.hf, _):
      if codes.alphabet == .sign {
        return refuse(
          .unsupported, "sign codes", "ternary codes, for layers as Hugging Face has them")
      }
      if let difference = scales.difference {
        return refuse(.mismatch, difference.description, "one scale for the tensor")
      }
      do throws(InputError) {
        _ = try HuggingFaceScale(
          multiplier: scales.common ?? 1, convention: convention, source: codes.source)
        return nil
      } catch {
        return error
      }
    case (_, .block(let length)):
      if scales.common != nil || WeightScales.blockLengths.contains(length) { return nil }
      return refuse(
        .unsupported, "scales of blocks of \(length) weights", "blocks of 64, 128 or 256")
    default: return nil
    }
  }
}
