import BitFiles
import BitCore

/// Reads whole files into memory.
enum WholeFile {
  /// The bytes of the file at `path`. Throws if it is missing, not a regular file, not readable,
  /// or larger than `maximumBytes`.
  static func read(_ path: String, maximumBytes: Int) throws(InputError) -> [UInt8] {
    let file = try MappedFile(path: path)
    guard file.count <= maximumBytes else {
      throw InputError(
        .unsupported, source: path, found: "\(file.count) bytes",
        expected: "at most \(maximumBytes) bytes")
    }
    return file.withUnsafeBytes { Array($0) }
  }
}
