import BitCore
import BitFormats
import BitFiles

/// One tensor on its way: what is read, and how it is stored.
struct ConversionItem: Sendable {
  let tensor: ModelTensor
  /// The name in the target.
  let name: String
  /// Codes with scales that the target holds; nil for a tensor without codes.
  var codes: CodedTensor?
  /// The scale for a Hugging Face file.
  var scale: HuggingFaceScale?
  /// What the numbers in the target are multiplied with; see ``ModelTensor/factor``.
  var factor: Float = 1

  init(_ tensor: ModelTensor, name: String) {
    (self.tensor, self.name) = (tensor, name)
  }

  /// The name of the layer in the target.
  var layerName: String { String(name.dropLast(7)) }

  /// Whether the bytes of the weight are those of the source.
  func copiesCodes(as type: ConversionType) -> Bool {
    switch tensor.place {
    case .safetensors(_, let entry):
      type == .hf
        ? tensor.scale != nil && entry.dtype == .u8 : type == .bitlinear && tensor.layer != nil
    case .gguf(let file, let entry):
      type.gguf == entry.type && (entry.type != .i2_s || file.i2sLayout == .x86)
    }
  }

  /// Fits the codes and the scale to a type.
  ///
  /// - Throws: ``InputError`` that names the tensor and what the type cannot hold.
  mutating func fit(
    _ type: ConversionType, convention: HuggingFaceScale.Convention, isLossy: Bool
  ) throws(InputError) {
    guard let codes = tensor.codes else { return }
    self.codes = codes
    // The same bytes hold the same codes.
    if copiesCodes(as: type) {
      scale = tensor.scale?.value
      return
    }
    switch type {
    case .hf:
      guard codes.alphabet == .ternary || isLossy else {
        throw InputError(
          .unsupported, source: codes.source, found: "sign codes",
          expected: "ternary codes, for layers as Hugging Face has them")
      }
      guard codes.rows.isMultiple(of: 4) else {
        throw InputError(
          .unsupported, source: codes.source, found: "\(codes.rows) rows of ternary weights",
          expected: "a multiple of 4 for the type hf; the type bitlinear holds any")
      }
      _ = try HuggingFacePacking(rows: codes.rows, columns: codes.columns, source: codes.source)
      let (multiplier, coded) = try codes.withOneScale(merging: isLossy)
      self.codes = coded
      tensor.releasePages()
      if let stored = tensor.scale?.value {
        scale = stored
      } else {
        scale = try HuggingFaceScale(
          multiplier: multiplier, convention: convention, rounding: isLossy, source: codes.source)
      }
    case .bitlinear:
      guard case .block(let length) = codes.scaleKind else { return }
      do throws(InputError) {
        // As ternary models have it, and faster than blocks.
        self.codes = try codes.withOneScale(merging: false).tensor
        tensor.releasePages()
        return
      } catch {
        guard error.kind == .mismatch else { throw error }
      }
      if !WeightScales.blockLengths.contains(length) {
        throw InputError(
          .unsupported, source: codes.source, found: "scales of blocks of \(length) weights",
          expected: "blocks of 64, 128 or 256")
      }
    default:
      guard let gguf = type.gguf else { return }
      let fitted = isLossy ? try codes.withScales(of: gguf) : codes
      // Refuses rows that are no whole blocks, and finds the scale of a type that has one.
      self.codes = try GGUFCodeWriter(fitted, gguf, i2sLayout: .x86).tensor
      tensor.releasePages()
    }
  }

  /// Tries to bring the codes into a type of GGUF, without writing.
  func check(_ type: GGUFTensorType) throws(InputError) {
    guard let codes, codes.rows > 0 else { return }
    let writer = try GGUFCodeWriter(codes, type, i2sLayout: .x86)
    // One scale for all is the same in every row.
    if codes.scaleKind == .tensor, codes.alphabet == .sign || type != .q1_0 {
      _ = try writer.bytes(rows: 0..<1)
      return
    }
    try RowPieces.forEach(
      codes.rows, by: codes.pieceRows,
      make: { (rows) throws(InputError) in _ = try writer.bytes(rows: rows) },
      use: { (_, _) in })
    tensor.releasePages()
  }

  /// Whether the numbers have to be computed anew, instead of being copied.
  var isRescaled: Bool { tensor.factor != factor }

  /// Rows of numbers as they stand in the target.
  func values(_ range: Range<Int>, isLossy: Bool) throws(InputError) -> [Float] {
    guard isRescaled else { return try tensor.values(range) }
    var plain = tensor
    plain.factor = 1
    var values = try plain.values(range)
    for index in values.indices {
      let stored = values[index]
      let wanted = stored * tensor.factor
      values[index] = wanted / factor
      let isExact =
        Double(stored) * Double(tensor.factor) == Double(wanted)
        && values[index] * factor == wanted
      guard isExact || isLossy else {
        throw InputError(
          .unsupported, source: tensor.source,
          found: "\(wanted) as element \(range.lowerBound * tensor.columns + index), a bias that "
            + "cannot be scaled exactly",
          expected: "one that can, or a conversion that may round")
      }
    }
    return values
  }
}
