import BitCore

/// One tensor of a ``ModelFile``: what it is, and how to read it piece by piece.
public struct ModelTensor: Sendable {
  /// What a tensor holds.
  public enum Content: Sendable {
    /// Ternary or sign codes and their scales. The tensors of the file that only describe them,
    /// such as `weight_scale`, are part of it.
    case codes(CodedTensor)
    /// Numbers that can be read as float32.
    case floats
    /// Anything else, which can only be copied.
    case bytes
  }

  /// How codes and scales are stored.
  package enum Packing: Sendable {
    /// Codes and scales in one tensor of GGUF.
    case gguf
    /// As Hugging Face packs a layer.
    case huggingFace(HuggingFaceLayer)
    /// As this project packs a layer.
    case bitlinear(StoredPackedLayer)
    /// Not at all: the codes are made of floats while they are read.
    case quantized
  }

  /// How the elements are stored in the file.
  public enum StoredType: Sendable, Hashable, CustomStringConvertible {
    /// In a safetensors file.
    case safetensors(DType)
    /// In a GGUF file.
    case gguf(GGUFTensorType)

    /// The name of the type.
    public var description: String {
      switch self {
      case .safetensors(let type): type.rawValue
      case .gguf(let type): type.name
      }
    }
  }

  /// The name, such as "model.layers.0.mlp.up_proj.weight".
  public let name: String
  /// The extents, outermost first; those of the codes, if it holds codes.
  public let shape: [Int]
  /// The type in the file.
  public let type: StoredType
  /// What it holds.
  public package(set) var content: Content
  /// The bytes in the file, scales included.
  public let byteCount: Int
  /// What keeps the tensor from being used, though it can be listed.
  package var problem: InputError?

  package let extent: ByteExtent
  /// How codes are stored; nil for a tensor without codes.
  package var packing: Packing?
  /// What the stored numbers are multiplied with: not 1 for the bias of a Hugging Face layer whose
  /// scale multiplies the bias too.
  package var factor: Float = 1
  /// The order of the rows, if it is not that of the file.
  package private(set) var rowOrder: HeadRowOrder?

  package init(_ extent: ByteExtent, content: Content, packing: Packing? = nil) {
    (self.extent, self.content, self.packing) = (extent, content, packing)
    var bytes = extent.byteCount
    var codes: CodedTensor?
    switch packing {
    case .huggingFace(let layer):
      (bytes, codes) = (bytes + layer.scaleExtent.byteCount, layer.codes)
    case .bitlinear(let layer): (bytes, codes) = (bytes + layer.scales.byteCount, layer.codes)
    case .gguf, .quantized, nil: break
    }
    byteCount = bytes
    switch extent {
    case .safetensors(_, let info):
      (name, type) = (info.name, .safetensors(info.dtype))
      shape = codes.map { [$0.rows, $0.columns] } ?? info.shape
    case .gguf(_, let info): (name, type, shape) = (info.name, .gguf(info.type), info.shape)
    }
  }

  /// File and tensor, for errors.
  package var source: String { extent.source }

  /// The number of rows: the product of all extents but the last.
  public var rows: Int { shape.dropLast().reduce(1, *) }
  /// The elements of a row: the last extent.
  public var columns: Int { shape.last ?? 1 }
  /// The number of elements.
  public var count: Int { shape.reduce(1, *) }

  /// Rows of floats that are read at a time.
  package var pieceRows: Int { max(1, (1 << 18) / max(1, columns)) }

  /// The name without `.weight`; nil if it does not end so.
  package var layerName: String? { name.hasSuffix(".weight") ? String(name.dropLast(7)) : nil }

  package var codes: CodedTensor? { if case .codes(let codes) = content { codes } else { nil } }

  /// Some rows as float32, exactly as stored but for F64, which is rounded.
  ///
  /// - Throws: `InputError` that names file and tensor: `.unsupported` for a type that is not
  ///   read, and what reading codes throws.
  public func values(_ range: Range<Int>) throws(InputError) -> [Float] {
    if case .codes(let codes) = content { return try codes.values(range) }
    guard let rowOrder else { return try storedValues(range) }
    let heads = rowOrder.heads(of: range, in: rows)
    return rowOrder.reordered(
      try storedValues(heads), of: heads, rows: range, length: columns)
  }

  /// The same tensor with its rows, which must be whole heads, in another order.
  package func reordered(_ order: HeadRowOrder) -> ModelTensor {
    var tensor = self
    tensor.rowOrder = order
    if case .codes(let codes) = content { tensor.content = .codes(codes.reordered(order)) }
    return tensor
  }

  /// The bytes of some rows in the order of ``rowOrder``, of a type whose rows are whole bytes.
  package func rowBytes(_ range: Range<Int>) throws(InputError) -> [UInt8] {
    let length = rows == 0 ? 0 : extent.byteCount / rows
    let heads = rowOrder?.heads(of: range, in: rows) ?? range
    let bytes = try extent.withBytes(heads.lowerBound * length..<heads.upperBound * length) {
      Array($0)
    }
    return rowOrder?.reordered(bytes, of: heads, rows: range, length: length) ?? bytes
  }

  /// Some rows in the order of the file.
  private func storedValues(_ range: Range<Int>) throws(InputError) -> [Float] {
    var values: [Float]
    switch extent {
    case .gguf(let file, let info): values = try file.values(info.name, rows: range)
    case .safetensors(_, let info):
      guard let numbers = PlainNumbers(info.dtype), numbers.isFloat else {
        throw InputError(
          .unsupported, source: source, found: info.dtype.rawValue,
          expected: "F32, F16, BF16 or F64")
      }
      let rowBytes = columns * numbers.width
      values = try extent.withBytes(range.lowerBound * rowBytes..<range.upperBound * rowBytes) {
        bytes in
        [Float](unsafeUninitializedCapacity: range.count * columns) { values, count in
          if let target = values.baseAddress { numbers.floats(bytes, to: target) }
          count = range.count * columns
        }
      }
    }
    if factor != 1 { for index in values.indices { values[index] *= factor } }
    return values
  }

  /// Lets the system take back the memory of what was read.
  package func releasePages() {
    extent.releasePages()
    switch packing {
    case .huggingFace(let layer): layer.scaleExtent.releasePages()
    case .bitlinear(let layer): layer.scales.releasePages()
    case .gguf, .quantized, nil: break
    }
  }
}
