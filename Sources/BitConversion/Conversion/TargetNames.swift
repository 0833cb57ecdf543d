import BitFormats

/// The names of tensors in the target.
struct TargetNames {
  private let translates: ((String) -> String)?
  /// The layers whose norm has another name, with that name.
  private var norms: [String: String] = [:]

  init(_ source: ModelFile, isGGUF: Bool, type: ConversionType, keepsNames: Bool) {
    let isBitNet = source.isBitNet && source.isGGUF != isGGUF && !keepsNames
    if !isBitNet {
      translates = nil
    } else if isGGUF {
      translates = { BitNetNames.gguf(huggingFace: $0) }
    } else {
      translates = { BitNetNames.huggingFace(gguf: $0) }
    }
    for tensor in source.tensors where tensor.codes != nil {
      guard let layer = tensor.layerName else { continue }
      if type == .hf, source.members(of: tensor) != nil {
        norms["\(layer).norm.weight"] = "\(layer).rms_norm.weight"
      } else if type == .bitlinear, source.quantization?.usesRMSNorm == true {
        norms["\(layer).rms_norm.weight"] = "\(layer).norm.weight"
      }
    }
  }

  /// Whether a tensor is left out: buffers that older programs stored and all compute by themselves.
  func isDropped(_ name: String) -> Bool {
    translates != nil && name.hasSuffix(".rotary_emb.inv_freq")
  }

  /// The name in the target of a tensor of the source.
  func name(of name: String) -> String {
    let name = norms[name] ?? name
    return translates?(name) ?? name
  }
}
