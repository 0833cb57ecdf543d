import BitCore

extension WeightMatrix {
  /// The weights of a file, straight from its memory: floats, or blocks of GGUF that hold no codes.
  ///
  /// - Throws: `InputError` of kind `.unsupported` for another type, and for a tensor whose numbers
  ///   mean something else than they say.
  package init(_ tensor: ModelTensor) throws(InputError) {
    guard let type = WeightType(tensor.type), tensor.factor == 1 else {
      throw InputError(
        .unsupported, source: tensor.source, found: "\(tensor.type) weights",
        expected: "F32, F16, BF16, Q8_0, Q4_0, Q4_1 or Q6_K, or ternary or sign codes")
    }
    let owner = Owner(tensor.extent)
    let whole = 0..<tensor.extent.byteCount
    self = try tensor.extent.withBytes(whole) { (bytes) throws(InputError) in
      try WeightMatrix(
        borrowing: bytes, type, rows: tensor.rows, columns: tensor.columns, owner: owner,
        source: tensor.source)
    }
  }
}

/// Keeps the memory of a file.
private final class Owner: Sendable {
  private let extent: ByteExtent
  init(_ extent: ByteExtent) { self.extent = extent }
}

extension WeightType {
  /// How a stored type holds numbers; nil for codes and for what is not read.
  init?(_ type: ModelTensor.StoredType) {
    switch type {
    case .safetensors(.f32): self = .float32
    case .safetensors(.f16): self = .float16
    case .safetensors(.bf16): self = .bfloat16
    case .safetensors: return nil
    case .gguf(let type):
      guard let codec = GGUFNumberCodec(type) else { return nil }
      self = codec.weightType
    }
  }
}
