import BitCore
import BitFiles

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

  /// How the elements lie in the file.
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

  /// A file with the range of bytes of a tensor in it.
  package enum Place: Sendable {
    case safetensors(SafetensorsFile, SafetensorsTensorInfo)
    case gguf(GGUFFile, GGUFTensorInfo)
  }

  /// The name, such as "model.layers.0.mlp.up_proj.weight".
  public package(set) var name: String
  /// The extents, outermost first; those of the codes, if it holds codes.
  public let shape: [Int]
  /// The type in the file.
  public let type: StoredType
  /// What it holds.
  public package(set) var content: Content
  /// The bytes in the file, scales included.
  public let byteCount: Int

  package let place: Place
  /// The scale of a Hugging Face layer as it is stored.
  package var scale: (place: Place, value: HuggingFaceScale)?
  /// The members that describe a packed layer of this project, and its scales.
  package var layer: (members: JSONObject, scales: Place)?
  /// What the stored numbers are multiplied with: not 1 for the bias of a Hugging Face layer whose
  /// scale multiplies the bias too.
  package var factor: Float = 1

  package init(name: String, shape: [Int], content: Content, place: Place, extraBytes: Int = 0) {
    (self.name, self.shape, self.content, self.place) = (name, shape, content, place)
    switch place {
    case .safetensors(_, let entry):
      type = .safetensors(entry.dtype)
      byteCount = entry.byteRange.count + extraBytes
    case .gguf(_, let entry):
      type = .gguf(entry.type)
      byteCount = entry.byteRange.count + extraBytes
    }
  }

  /// File and tensor, for errors.
  public var source: String { place.source }

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
  /// - Throws: ``InputError`` that names file and tensor: `.unsupported` for a type that is not
  ///   read, and what reading codes throws.
  public func values(_ range: Range<Int>) throws(InputError) -> [Float] {
    if case .codes(let codes) = content { return try codes.values(range) }
    var values: [Float]
    switch place {
    case .gguf(let file, let entry): values = try file.values(entry.name, rows: range)
    case .safetensors(_, let entry):
      guard let convert = entry.dtype.floatConversion else {
        throw InputError(
          .unsupported, source: source, found: entry.dtype.rawValue,
          expected: "F32, F16, BF16 or F64")
      }
      let rowBytes = columns * entry.dtype.bitsPerElement / 8
      values = try place.withBytes(range.lowerBound * rowBytes..<range.upperBound * rowBytes) {
        bytes in
        [Float](unsafeUninitializedCapacity: range.count * columns) { values, count in
          if let target = values.baseAddress { convert(bytes, target) }
          count = range.count * columns
        }
      }
    }
    if factor != 1 { for index in values.indices { values[index] *= factor } }
    return values
  }

  /// Lets the system take back the memory of what was read.
  package func releasePages() {
    place.releasePages()
    scale?.place.releasePages()
    layer?.scales.releasePages()
  }
}

extension ModelTensor.Place {
  /// Bytes that are copied or read at a time.
  package static let pieceBytes = 4 << 20

  package var source: String {
    switch self {
    case .safetensors(let file, let entry): file.source(of: entry)
    case .gguf(let file, let entry): file.source(of: entry)
    }
  }

  package var byteCount: Int {
    switch self {
    case .safetensors(_, let entry): entry.byteRange.count
    case .gguf(_, let entry): entry.byteRange.count
    }
  }

  /// Calls `body` with a range of the tensor's bytes.
  package func withBytes<R>(
    _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(InputError) -> R
  ) throws(InputError) -> R {
    switch self {
    case .safetensors(let file, let entry):
      return try file.withUnsafeBytes(of: entry.name) { (bytes) throws(InputError) in
        try body(UnsafeRawBufferPointer(rebasing: bytes[range]))
      }
    case .gguf(let file, let entry):
      let start = entry.byteRange.lowerBound
      return try file.withUnsafeBytes(
        in: start + range.lowerBound..<start + range.upperBound, body)
    }
  }

  /// Lets the system take back the memory of a range of the tensor's bytes, or of all.
  package func releasePages(_ range: Range<Int>? = nil) {
    let range = range ?? 0..<byteCount
    switch self {
    case .safetensors(let file, let entry): file.releasePages(range, of: entry)
    case .gguf(let file, let entry):
      let start = entry.byteRange.lowerBound
      file.releasePages(start + range.lowerBound..<start + range.upperBound)
    }
  }
}
