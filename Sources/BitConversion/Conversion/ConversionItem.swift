import BitCore
import BitFiles
import BitFormats

/// One tensor of a conversion: what is read, and how it is stored.
struct ConversionItem: Sendable {
  /// How a tensor is stored.
  enum Storage: Sendable {
    /// With the bytes that it has.
    case copied
    /// As codes of the target's type.
    case codes(CodedTensor)
    /// As a layer of Hugging Face.
    case huggingFace(CodedTensor, HuggingFaceScale)
    /// As F32 times a factor; see ``ModelTensor/factor``.
    case rescaled(by: Float)
    /// As floats of a type that safetensors has, also if the source has codes.
    case floats(DType)
  }

  let tensor: ModelTensor
  /// The name in the target.
  let name: String
  var storage: Storage

  /// The name of the layer in the target.
  var layerName: String { String(name.dropLast(7)) }

  /// Where the scales of the codes are in the target.
  var layout: ScaleLayout? { codes?.layout }

  /// The codes with the scales that the target has, merged and rounded where that was allowed.
  var codes: CodedTensor? {
    switch storage {
    case .codes(let codes), .huggingFace(let codes, _): codes
    case .copied, .rescaled: tensor.codes
    case .floats: nil
    }
  }

  /// What the numbers in the target are multiplied with.
  var factor: Float { if case .rescaled(let factor) = storage { factor } else { tensor.factor } }

  /// Reads all codes and scales: bytes that are only copied must be sound, too.
  func checkCodes() throws(InputError) {
    guard let codes = tensor.codes else { return }
    try RowPieces.forEach(
      codes.rows, by: codes.pieceRows,
      make: { (rows) throws(InputError) in _ = try codes.rows(rows) }, use: { (_, _) in })
  }

  /// Writes the bytes that the tensor has.
  static func copy(_ extent: ByteExtent, to writer: inout FileWriter) throws(InputError) {
    let step = 4 << 20
    for start in stride(from: 0, to: extent.byteCount, by: step) {
      let range = start..<min(start + step, extent.byteCount)
      try extent.withBytes(range) { (bytes) throws(InputError) in try writer.write(bytes) }
      extent.releasePages(range)
    }
  }

  /// Writes the bytes that the tensor has, in the order of rows that the target has.
  func copy(to writer: inout FileWriter) throws(InputError) {
    guard tensor.rowOrder != nil else { return try Self.copy(tensor.extent, to: &writer) }
    for first in stride(from: 0, to: tensor.rows, by: tensor.pieceRows) {
      try writer.write(tensor.rowBytes(first..<min(tensor.rows, first + tensor.pieceRows)))
    }
    tensor.releasePages()
  }

  /// The type of numbers that are converted.
  var floatType: DType { if case .floats(let type) = storage { type } else { .f32 } }

  /// Writes the numbers as ``floatType``.
  func writeFloats(to writer: inout FileWriter, isLossy: Bool) throws(InputError) {
    for first in stride(from: 0, to: tensor.rows, by: tensor.pieceRows) {
      let range = first..<min(tensor.rows, first + tensor.pieceRows)
      try writer.write(Tensor(values(range, isLossy: isLossy)), as: floatType)
    }
    tensor.releasePages()
  }

  /// A number as the target has it.
  func stored(_ value: Float) -> Float {
    switch floatType {
    case .f16: HalfPrecision.float(f16: HalfPrecision.f16(value))
    case .bf16: HalfPrecision.float(bf16: HalfPrecision.bf16(value))
    default: value
    }
  }

  /// Rows of numbers as they stand in the target.
  private func values(_ range: Range<Int>, isLossy: Bool) throws(InputError) -> [Float] {
    guard case .rescaled(let factor) = storage else { return try tensor.values(range) }
    var plain = tensor
    plain.factor = 1
    var values = try plain.values(range)
    for index in values.indices {
      let stored = values[index]
      let wanted = stored * tensor.factor
      values[index] = wanted / factor
      guard values[index] * factor == wanted || isLossy else {
        throw InputError(
          .unsupported, source: tensor.source,
          found: "\(wanted) as element \(range.lowerBound * tensor.columns + index), a bias that "
            + "cannot be scaled exactly",
          expected: "one that can, or --lossy to round it")
      }
    }
    return values
  }
}
