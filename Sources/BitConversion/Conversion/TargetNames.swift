import BitFormats

/// The names of tensors in the target.
struct TargetNames {
  private let crossing: DecoderCrossing?
  /// The layers whose norm has another name, with that name.
  private var norms: [String: String] = [:]

  init(_ source: ModelFile, _ crossing: DecoderCrossing?, type: ConversionType) {
    self.crossing = crossing
    for tensor in source.tensors where tensor.codes != nil {
      guard let layer = tensor.layerName else { continue }
      if type == .hf, source.members(of: tensor) != nil {
        for norm in ["\(layer).norm.weight", "\(layer)_norm_in.weight"] {
          norms[norm] = "\(layer).rms_norm.weight"
        }
      } else if type == .bitlinear, source.quantization?.usesRMSNorm == true {
        norms["\(layer).rms_norm.weight"] = "\(layer).norm.weight"
      }
    }
  }

  /// Whether a tensor is left out, because the target says otherwise what it says.
  func isDropped(_ name: String) -> Bool { crossing?.isDropped(name) == true }

  /// The name in the target of a tensor of the source.
  func name(of name: String) -> String {
    let name = norms[name] ?? name
    return crossing?.name(of: name) ?? name
  }
}
