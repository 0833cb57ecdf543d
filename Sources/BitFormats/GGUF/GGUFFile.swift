import BitCore
import BitFiles

/// A GGUF file, version 2 or 3, memory-mapped.
///
/// ```swift
/// let file = try GGUFFile(path: "model.gguf")
/// print(file.metadata.architecture ?? "?")
/// for tensor in file.tensors { print(tensor.name, tensor.type, tensor.shape) }
/// let norm = try file.tensor("output_norm.weight")             // floats
/// let weight = try file.codedTensor("blk.0.attn_q.weight")     // codes and scales as stored
/// ```
///
/// Opening reads the metadata and the list of tensors and checks them against limits that no real
/// file reaches; the data is read when it is used. Tensors follow one another as ggml demands. A
/// type that is not known is listed all the same.
///
/// The file must not be rewritten or truncated in place while it is open: the system stops a
/// process that reads mapped bytes which are gone.
public struct GGUFFile: Sendable {
  /// The path, or the name given for bytes in memory; errors name it.
  public let source: String
  /// The version of the container, 2 or 3, which have the same layout.
  public let version: Int
  /// The key-value pairs in the order of the file.
  public let metadata: GGUFMetadata
  /// What the starts of tensors are multiples of, in bytes.
  public let alignment: Int
  /// The tensors in the order of the file.
  public let tensors: [GGUFTensorInfo]
  /// How the I2_S tensors of the file are read; see ``I2SLayout``.
  public let i2sLayout: I2SLayout

  private let storage: ByteSource
  private let places: [ByteKey: Int]

  /// Opens a file and checks its head; the data is read when it is used.
  ///
  /// - Throws: `InputError` of kind `.missing` or `.inputOutput` if the file cannot be read,
  ///   `.malformed` if it is not a GGUF file or breaks a limit, `.unsupported` for a big-endian
  ///   file, another version, or type 42 (Q2_0) whose blocks may be of 64 or 128 elements. The
  ///   message names the key or the tensor.
  public init(path: String, options: GGUFOptions = GGUFOptions()) throws(InputError) {
    try self.init(.file(MappedFile(path: path)), source: path, options: options)
  }

  /// Opens a file that errors call by another name.
  package init(path: String, named source: String) throws(InputError) {
    try self.init(.file(MappedFile(path: path)), source: source, options: GGUFOptions())
  }

  /// Reads a whole file in memory; throws as ``init(path:options:)`` does, with `source` as the
  /// name.
  public init(
    bytes: [UInt8], source: String = "gguf", options: GGUFOptions = GGUFOptions()
  ) throws(InputError) {
    try self.init(.bytes(bytes), source: source, options: options)
  }

  private init(
    _ storage: ByteSource, source: String, options: GGUFOptions
  ) throws(InputError) {
    let (header, tensors) = try storage.withUnsafeBytes { (bytes) throws(InputError) in
      let header = try GGUFHeader(bytes, of: storage, source: source)
      return (header, try GGUFLayoutResolver(header, bytes, source: source).tensors(options))
    }
    self.source = source
    self.storage = storage
    version = Int(header.version)
    metadata = header.metadata
    alignment = header.alignment
    self.tensors = tensors
    places = Dictionary(uniqueKeysWithValues: tensors.enumerated().map { (ByteKey($1.name), $0) })
    i2sLayout = try Self.layout(options, metadata, tensors, source: source)
  }

  private static func layout(
    _ options: GGUFOptions, _ metadata: GGUFMetadata, _ tensors: [GGUFTensorInfo], source: String
  ) throws(InputError) -> I2SLayout {
    if let layout = options.i2sLayout { return layout }
    if let value = metadata[I2SLayout.metadataKey] {
      guard let layout = value.stringValue.flatMap(I2SLayout.init(rawValue:)) else {
        throw InputError(
          .malformed, source: "\(source), key \(ErrorText.quoted(I2SLayout.metadataKey))",
          found: value.stringValue.map(ErrorText.quoted) ?? value.typeName,
          expected: I2SLayout.allCases.map(\.rawValue).joined(separator: " or "))
      }
      return layout
    }
    let needsARM = tensors.contains {
      $0.type == .i2_s && !$0.count.isMultiple(of: I2SLayout.x86.blockLength)
    }
    return needsARM ? .arm : .x86
  }

  /// The tensor of a name, which is compared byte for byte, or nil.
  public subscript(name: String) -> GGUFTensorInfo? {
    places[ByteKey(name)].map { tensors[$0] }
  }

  /// Calls `body` with the data of a tensor as it is in the file, without a copy.
  ///
  /// The bytes must not be used after `body` returns.
  ///
  /// - Throws: `InputError` of kind `.missing` that names file and tensor if there is no such
  ///   tensor, and what `body` throws.
  public func withUnsafeBytes<R>(
    of name: String, _ body: (UnsafeRawBufferPointer) throws(InputError) -> R
  ) throws(InputError) -> R {
    try withUnsafeBytes(in: info(of: name).byteRange, body)
  }

  func withUnsafeBytes<R>(
    in range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws(InputError) -> R
  ) throws(InputError) -> R {
    try storage.withUnsafeBytes(in: range, body)
  }

  /// Calls `body` with a range of the data of one of ``tensors``.
  func withUnsafeBytes<R>(
    _ range: Range<Int>, of tensor: GGUFTensorInfo,
    _ body: (UnsafeRawBufferPointer) throws(InputError) -> R
  ) throws(InputError) -> R {
    let start = tensor.byteRange.lowerBound
    return try withUnsafeBytes(in: start + range.lowerBound..<start + range.upperBound, body)
  }

  /// Lets the system take back the memory of a part of a tensor's data, until it is used again.
  package func releasePages(_ range: Range<Int>, of tensor: GGUFTensorInfo) {
    let start = tensor.byteRange.lowerBound
    storage.releasePages(start + range.lowerBound..<start + range.upperBound)
  }

  package func info(of name: String) throws(InputError) -> GGUFTensorInfo {
    guard let entry = self[name] else {
      throw InputError(
        .missing, source: source, found: "no tensor \(ErrorText.quoted(name))",
        expected: "a tensor of this name")
    }
    return entry
  }

  /// What errors about a tensor name as their source.
  package func source(of entry: GGUFTensorInfo) -> String {
    "\(source), tensor \(ErrorText.quoted(entry.name))"
  }
}
