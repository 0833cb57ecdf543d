import BitCore
import BitFiles

/// A safetensors file, memory-mapped.
///
/// It accepts and rejects what the reference reader (safetensors 0.8) does, with one exception: a
/// header that names a tensor twice is rejected, where the reference silently takes the last.
/// Beyond that, a header may have at most 64 levels and 2^24 values.
///
/// ```swift
/// let file = try SafetensorsFile(path: "model.safetensors")
/// for tensor in file.tensors { print(tensor.name, tensor.dtype, tensor.shape) }
/// let weight = try file.tensor("0.weight")
/// ```
///
/// The file must not be rewritten or truncated in place while it is open: the system stops a
/// process that reads mapped bytes which are gone.
public struct SafetensorsFile: Sendable {
  /// The path, or the name given for bytes in memory; errors name it.
  public let source: String
  /// The strings of `__metadata__`; of keys that occur twice, the last value.
  public let metadata: [String: String]
  /// The tensors in the order of their data in the file.
  public let tensors: [SafetensorsTensorInfo]

  private let storage: ByteSource
  private let places: [ByteKey: Int]

  /// Opens a file and checks its header; the data is read when it is used.
  ///
  /// - Throws: `InputError` of kind `.missing` or `.inputOutput` if the file cannot be read,
  ///   `.malformed` if it is not a safetensors file. The message names the tensor at fault.
  public init(path: String) throws(InputError) {
    try self.init(.file(MappedFile(path: path)), source: path)
  }

  /// Opens a file that errors call by another name.
  package init(path: String, named source: String) throws(InputError) {
    try self.init(.file(MappedFile(path: path)), source: source)
  }

  /// Reads a whole file in memory; throws as ``init(path:)`` does, with `source` as the name.
  public init(bytes: [UInt8], source: String = "safetensors") throws(InputError) {
    try self.init(.bytes(bytes), source: source)
  }

  private init(_ storage: ByteSource, source: String) throws(InputError) {
    let header = try storage.withUnsafeBytes { (bytes) throws(InputError) in
      try SafetensorsHeader(bytes, source: source)
    }
    self.source = source
    self.storage = storage
    metadata = header.metadata
    tensors = header.tensors
    places = header.places
  }

  /// The tensor of a name, which is compared byte for byte, or nil.
  public subscript(name: String) -> SafetensorsTensorInfo? {
    places[ByteKey(name)].map { tensors[$0] }
  }

  /// Calls `body` with the data of a tensor: row-major, little-endian, at any alignment.
  ///
  /// The bytes must not be used after `body` returns.
  ///
  /// - Throws: `InputError` of kind `.missing` that names file and tensor if there is no such
  ///   tensor, and what `body` throws.
  public func withUnsafeBytes<R>(
    of name: String, _ body: (UnsafeRawBufferPointer) throws(InputError) -> R
  ) throws(InputError) -> R {
    try storage.withUnsafeBytes(in: info(of: name).byteRange, body)
  }

  /// Calls `body` with a range of the data of one of ``tensors``.
  func withUnsafeBytes<R>(
    _ range: Range<Int>, of tensor: SafetensorsTensorInfo,
    _ body: (UnsafeRawBufferPointer) throws(InputError) -> R
  ) throws(InputError) -> R {
    let start = tensor.byteRange.lowerBound
    return try storage.withUnsafeBytes(
      in: start + range.lowerBound..<start + range.upperBound, body)
  }

  /// Lets the system take back the memory of a part of a tensor's data, until it is used again.
  package func releasePages(_ range: Range<Int>, of tensor: SafetensorsTensorInfo) {
    let start = tensor.byteRange.lowerBound
    storage.releasePages(start + range.lowerBound..<start + range.upperBound)
  }

  package func info(of name: String) throws(InputError) -> SafetensorsTensorInfo {
    guard let entry = self[name] else {
      throw InputError(
        .missing, source: source, found: "no tensor \(ErrorText.quoted(name))",
        expected: "a tensor of this name")
    }
    return entry
  }

  /// What errors about a tensor name as their source.
  func source(of entry: SafetensorsTensorInfo) -> String {
    "\(source), tensor \(ErrorText.quoted(entry.name))"
  }
}
