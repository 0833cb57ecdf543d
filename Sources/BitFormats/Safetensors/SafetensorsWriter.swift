import BitCore
import BitFiles

/// Writes safetensors files, the same bytes as the reference writer (safetensors 0.8).
///
/// Tensors are sorted by element type, widest first in the order of ``DType``, then by the bytes
/// of their names, and the header is padded with spaces to a multiple of 8 bytes. Metadata, which
/// the reference writes in no particular order, is sorted by key, so that the same content always
/// gives the same file.
public enum SafetensorsWriter {
  /// Writes a file, whole or not at all: under another name first, and renamed when it is complete.
  ///
  /// The data of the entries is asked for one after the other, in the order of the file.
  ///
  /// - Parameters:
  ///   - entries: the tensors, in any order.
  ///   - metadata: strings for `__metadata__`, which is left out if there are none. Hugging Face
  ///     transformers expects `["format": "pt"]`.
  ///   - path: the file, which is replaced if it exists.
  /// - Throws: `InputError` that names the file and the tensor: `.malformed` if a name occurs
  ///   twice or is `__metadata__`, if a shape does not fit, or if the header is beyond
  ///   100,000,000 bytes; `.mismatch` if an entry has another number of bytes than its shape
  ///   says; `.inputOutput` for trouble with the file; and what an entry's stream throws.
  public static func write(
    _ entries: [SafetensorsEntry], metadata: [String: String] = [:], to path: String
  ) throws(InputError) {
    var file = try PendingFile(path)
    try write(entries, metadata: metadata, into: &file, path: path)
    try file.commit()
  }

  /// Writes the bytes of a file that is still to be committed; see ``write(_:metadata:to:)``.
  ///
  /// - Parameter progress: is told how many bytes of how many are written; what it throws ends it.
  package static func write(
    _ entries: [SafetensorsEntry], metadata: [String: String], into file: inout PendingFile,
    path: String, progress: FileWriter.Progress? = nil
  ) throws(InputError) {
    let entries = sorted(entries)
    var sizes: [Int] = []
    for entry in entries {
      sizes.append(try entry.dtype.byteCount(of: entry.shape, source: source(entry, path)))
    }
    let header = try header(entries, sizes: sizes, metadata: metadata, path: path)
    file.writer.report(to: progress, total: header.count + sizes.reduce(0, +))
    try file.writer.write(header)
    for (entry, size) in zip(entries, sizes) {
      let start = file.writer.count
      try entry.stream(&file.writer)
      let written = file.writer.count - start
      guard written == size else {
        throw InputError(
          .mismatch, source: source(entry, path), found: "\(written) bytes of data",
          expected: "\(size) for \(entry.dtype) \(ErrorText.list(entry.shape))")
      }
    }
    try file.writer.flush()
  }

  private static func source(_ entry: SafetensorsEntry, _ path: String) -> String {
    "\(path), tensor \(ErrorText.quoted(entry.name))"
  }

  private static func sorted(_ entries: [SafetensorsEntry]) -> [SafetensorsEntry] {
    entries.sorted { a, b in
      a.dtype == b.dtype ? ByteKey(a.name) < ByteKey(b.name) : a.dtype > b.dtype
    }
  }

  /// The length and the padded JSON text.
  private static func header(
    _ entries: [SafetensorsEntry], sizes: [Int], metadata: [String: String], path: String
  ) throws(InputError) -> [UInt8] {
    var members = JSONObject()
    if !metadata.isEmpty {
      let sorted = metadata.sorted { ByteKey($0.key) < ByteKey($1.key) }
      let strings = JSONObject(sorted.map { ($0.key, .string($0.value)) })
      members.members.append(
        .init(key: SafetensorsHeader.metadataKey, value: .object(strings)))
    }
    var names: Set<ByteKey> = [ByteKey(SafetensorsHeader.metadataKey)]
    var offset = 0
    for (entry, size) in zip(entries, sizes) {
      guard names.insert(ByteKey(entry.name)).inserted else {
        throw InputError(
          .malformed, source: path, found: "the name \(ErrorText.quoted(entry.name)) again",
          expected: "every name once, and none \(SafetensorsHeader.metadataKey)")
      }
      let end = offset.addingReportingOverflow(size)
      guard !end.overflow else {
        throw InputError(
          .malformed, source: source(entry, path), found: "data beyond \(Int.max) bytes",
          expected: "tensors that fit into a file")
      }
      let info: JSONValue = [
        "dtype": .string(entry.dtype.rawValue),
        "shape": .array(entry.shape.map { .integer(Int64($0)) }),
        "data_offsets": [.integer(Int64(offset)), .integer(Int64(end.partialValue))],
      ]
      members.members.append(.init(key: entry.name, value: info))
      offset = end.partialValue
    }
    var text: [UInt8] = []
    JSONValue.object(members).encode(to: &text)
    while !text.count.isMultiple(of: 8) { text.append(UInt8(ascii: " ")) }
    guard text.count <= SafetensorsHeader.maximumLength else {
      throw InputError(
        .malformed, source: path, found: "a header of \(text.count) bytes",
        expected: "at most \(SafetensorsHeader.maximumLength)")
    }
    return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
  }
}
