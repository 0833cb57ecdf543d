import BitCore
import BitFormats
import Foundation

/// A new folder for the files of one test, removed when the test ends.
final class TemporaryFolder: Sendable {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "bitlinear-command-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  /// The path of a file or folder in this one.
  func path(_ name: String) -> String { "\(path)/\(name)" }

  /// Writes a file and returns its path.
  @discardableResult
  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    try Data(bytes).write(to: URL(fileURLWithPath: path(name)))
    return path(name)
  }

  /// Writes a file of text and returns its path.
  @discardableResult
  func write(_ name: String, _ text: String) throws -> String {
    try write(name, Array(text.utf8))
  }

  /// Writes a model of one layer with 16 billion weights, more than any machine converts in a
  /// moment, as a hole in the file, which takes no space on the disk.
  func writeLongModel(_ name: String) throws -> String {
    let (rows, columns) = (1 << 20, 4096)
    let header = """
      {"__metadata__":{"bitlinear.quantization_config":"{\\"quant_method\\":\\"bitnet\\"}"},\
      "a.weight_scale":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},\
      "a.weight":{"dtype":"U8","shape":[\(rows),\(columns)],"data_offsets":[4,\(4 + rows * columns)]}}
      """
    let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
    let one = withUnsafeBytes(of: Float(1).bitPattern.littleEndian) { Array($0) }
    let path = try write(name, length + Array(header.utf8) + one)
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    try handle.truncate(atOffset: UInt64(12 + header.utf8.count + rows * columns))
    try handle.close()
    return path
  }

  /// A new file that is open for writing.
  func handle(_ name: String) throws -> FileHandle {
    try FileHandle(forWritingTo: URL(fileURLWithPath: write(name, "")))
  }

  /// Makes a folder and returns its path.
  @discardableResult
  func make(_ name: String) throws -> String {
    try FileManager.default.createDirectory(
      atPath: path(name), withIntermediateDirectories: true)
    return path(name)
  }

  /// The bytes of a file.
  func bytes(_ name: String) throws -> [UInt8] {
    try Array(Data(contentsOf: URL(fileURLWithPath: path(name))))
  }

  /// The text of a file.
  func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }

  /// The names of what a folder in this one holds, sorted; empty if there is no such folder.
  func names(_ folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path(folder))) ?? []).sorted()
  }

  /// The bytes of all files of a folder in this one.
  func contents(_ folder: String) throws -> [String: [UInt8]] {
    try names(folder).reduce(into: [:]) { $0[$1] = try bytes("\(folder)/\($1)") }
  }
}
