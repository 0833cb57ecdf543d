import BitCore

/// Files that are written whole or not at all.
///
/// The bytes go to a temporary file in the same folder, which is brought to the device and then
/// renamed, and the folder is brought to the device as well. A kill, a power cut or a full disk
/// leaves either the old file or the new one. After a failure the temporary file is removed; only
/// a killed process leaves one behind, named `.NAME.tmp-PROCESS-RANDOM`.
///
/// A file that is replaced keeps its permissions, and a symbolic link stays a link to the file
/// that is replaced. A folder or a device is refused.
package enum AtomicFile {
  /// Writes a file with the bytes that `body` gives to its writer.
  ///
  /// - Throws: ``InputError`` of kind `.inputOutput` (`.missing` if there is no such folder) that
  ///   names `path` and has the system's words for the trouble, and whatever `body` throws. The
  ///   old file is then still there (or, if only the folder cannot be brought to the device, the
  ///   new one).
  package static func write(
    to path: String, _ body: (inout FileWriter) throws -> Void
  ) throws {
    var file = try PendingFile(path)
    try body(&file.writer)
    try file.commit()
  }

  /// Writes a file of text in UTF-8.
  ///
  /// - Throws: ``InputError`` as ``write(to:_:)`` does.
  package static func write(_ text: String, to path: String) throws(InputError) {
    var file = try PendingFile(path)
    try file.writer.write(text)
    try file.commit()
  }
}
