import BitCore

/// The bytes of a tensor in a file of either kind.
package enum ByteExtent: Sendable {
  case safetensors(SafetensorsFile, SafetensorsTensorInfo)
  case gguf(GGUFFile, GGUFTensorInfo)

  /// File and tensor, for errors.
  package var source: String {
    switch self {
    case .safetensors(let file, let info): file.source(of: info)
    case .gguf(let file, let info): file.source(of: info)
    }
  }

  /// The file, for errors.
  package var file: String {
    switch self {
    case .safetensors(let file, _): file.source
    case .gguf(let file, _): file.source
    }
  }

  /// The name of the tensor.
  package var name: String {
    switch self {
    case .safetensors(_, let info): info.name
    case .gguf(_, let info): info.name
    }
  }

  /// The extents of the tensor, outermost first.
  package var shape: [Int] {
    switch self {
    case .safetensors(_, let info): info.shape
    case .gguf(_, let info): info.shape
    }
  }

  /// The name of the type.
  package var typeName: String {
    switch self {
    case .safetensors(_, let info): info.dtype.rawValue
    case .gguf(_, let info): info.type.name
    }
  }

  /// The type of the numbers, if they follow one another.
  package var plainNumbers: PlainNumbers? {
    switch self {
    case .safetensors(_, let info): PlainNumbers(info.dtype)
    case .gguf(_, let info): PlainNumbers(info.type)
    }
  }

  package var byteCount: Int {
    switch self {
    case .safetensors(_, let info): info.byteRange.count
    case .gguf(_, let info): info.byteRange.count
    }
  }

  /// Calls `body` with a range of the tensor's bytes.
  package func withBytes<R>(
    _ range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(InputError) -> R
  ) throws(InputError) -> R {
    switch self {
    case .safetensors(let file, let info): try file.withUnsafeBytes(range, of: info, body)
    case .gguf(let file, let info): try file.withUnsafeBytes(range, of: info, body)
    }
  }

  /// Lets the system take back the memory of a range of the tensor's bytes, or of all.
  package func releasePages(_ range: Range<Int>? = nil) {
    let range = range ?? 0..<byteCount
    switch self {
    case .safetensors(let file, let info): file.releasePages(range, of: info)
    case .gguf(let file, let info): file.releasePages(range, of: info)
    }
  }
}
