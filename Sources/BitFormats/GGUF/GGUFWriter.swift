import BitCore
import BitFiles

/// Writes GGUF files, version 3.
public enum GGUFWriter {
  /// Writes a file, whole or not at all: under another name first, and renamed when it is complete.
  ///
  /// Metadata and tensors are in the file in the order in which they are given. The data of the
  /// entries is asked for one after the other.
  ///
  /// - Parameters:
  ///   - entries: the tensors.
  ///   - metadata: the key-value pairs. `general.alignment`, a `uint32`, sets the alignment, which
  ///     is 32 otherwise.
  ///   - path: the file, which is replaced if it exists.
  /// - Throws: `InputError` that names the file and the key or the tensor: `.malformed` if
  ///   ``GGUFFile`` would not read the file (a name that occurs twice, a shape that does not fit,
  ///   more tensors or metadata than are read) or a name has more than 63 bytes, `.mismatch` if an
  ///   entry has another number of bytes than its shape says, `.inputOutput` for trouble with the
  ///   file; and what an entry's stream throws.
  public static func write(
    _ entries: [GGUFEntry], metadata: GGUFMetadata, to path: String
  ) throws(InputError) {
    var file = try PendingFile(path)
    try write(entries, metadata: metadata, into: &file, path: path)
    try file.commit()
  }

  /// Writes the bytes of a file that is still to be committed; see ``write(_:metadata:to:)``.
  ///
  /// - Parameter progress: is told how many bytes of how many are written; what it throws ends it.
  package static func write(
    _ entries: [GGUFEntry], metadata: GGUFMetadata, into file: inout PendingFile, path: String,
    progress: FileWriter.Progress? = nil
  ) throws(InputError) {
    let plan = try plan(entries, metadata: metadata, path: path)
    let total = plan.sizes.reduce(plan.header.count) { $0 + $1 + padding($1, plan.alignment) }
    file.writer.report(to: progress, total: total)
    try file.writer.write(plan.header)
    for (entry, size) in zip(entries, plan.sizes) {
      let start = file.writer.count
      try entry.stream(&file.writer)
      let written = file.writer.count - start
      guard written == size else {
        throw InputError(
          .mismatch, source: source(entry, path), found: "\(written) bytes of data",
          expected: "\(size) for \(entry.type) \(ErrorText.list(entry.shape))")
      }
      try file.writer.write([UInt8](repeating: 0, count: padding(size, plan.alignment)))
    }
    try file.writer.flush()
  }

  private static func source(_ entry: GGUFEntry, _ path: String) -> String {
    "\(path), tensor \(ErrorText.quoted(entry.name))"
  }

  private static func padding(_ count: Int, _ alignment: Int) -> Int {
    (alignment - count % alignment) % alignment
  }

  /// Everything before the data, and the sizes of the tensors.
  private static func plan(
    _ entries: [GGUFEntry], metadata: GGUFMetadata, path: String
  ) throws(InputError) -> (header: [UInt8], sizes: [Int], alignment: Int) {
    var bytes = GGUFHeader.magic
    GGUFValue.append(UInt32(3), to: &bytes)
    GGUFValue.append(UInt64(entries.count), to: &bytes)
    GGUFValue.append(UInt64(metadata.count), to: &bytes)
    for entry in metadata.entries {
      GGUFValue.append(entry.key, to: &bytes)
      GGUFValue.append(entry.value.kind.rawValue, to: &bytes)
      entry.value.append(to: &bytes)
    }
    // Only a header that can be read is written, so what is read here needs no other check.
    let metadataEnd = bytes.count
    bytes += tensorList(entries, offsets: nil)
    let alignment = try alignment(checking: &bytes, path)
    bytes.removeLast(bytes.count - metadataEnd)
    var offsets: [UInt64] = []
    var sizes: [Int] = []
    var end = 0
    for entry in entries {
      guard entry.name.utf8.count <= GGUFLimits.writtenNameBytes else {
        throw InputError(
          .malformed, source: source(entry, path), found: "\(entry.name.utf8.count) bytes of name",
          expected: "at most \(GGUFLimits.writtenNameBytes), as ggml reads")
      }
      guard let size = try entry.type.byteCount(of: entry.shape, source: source(entry, path))
      else {
        throw InputError(
          .unsupported, source: source(entry, path), found: entry.type.name,
          expected: "a type whose size is known")
      }
      offsets.append(UInt64(end))
      sizes.append(size)
      let next = size.addingReportingOverflow(end)
      let padded = next.partialValue.addingReportingOverflow(
        padding(next.partialValue, alignment))
      guard !next.overflow, !padded.overflow else {
        throw InputError(
          .malformed, source: source(entry, path), found: "data beyond \(Int.max) bytes",
          expected: "tensors that fit into a file")
      }
      end = padded.partialValue
    }
    bytes += tensorList(entries, offsets: offsets)
    if !entries.isEmpty {
      bytes += [UInt8](repeating: 0, count: padding(bytes.count, alignment))
    }
    return (bytes, sizes, alignment)
  }

  /// The alignment that the reader finds in a head, to which it appends zeros: the reader wants the
  /// data to start inside the file.
  private static func alignment(
    checking bytes: inout [UInt8], _ path: String
  ) throws(InputError) -> Int {
    bytes += [UInt8](repeating: 0, count: GGUFLimits.alignment.upperBound)
    let storage = ByteSource.bytes(bytes)
    return try storage.withUnsafeBytes { (bytes) throws(InputError) in
      try GGUFHeader(bytes, of: storage, source: path).alignment
    }
  }

  private static func tensorList(_ entries: [GGUFEntry], offsets: [UInt64]?) -> [UInt8] {
    var bytes: [UInt8] = []
    for (index, entry) in entries.enumerated() {
      GGUFValue.append(entry.name, to: &bytes)
      GGUFValue.append(UInt32(entry.shape.count), to: &bytes)
      for extent in entry.shape.reversed() { GGUFValue.append(Int64(extent), to: &bytes) }
      GGUFValue.append(entry.type.id, to: &bytes)
      GGUFValue.append(offsets?[index] ?? 0, to: &bytes)
    }
    return bytes
  }
}
