import BitNN
import Foundation

/// The folder that a command writes its results to.
struct OutputFolder {
  private let folder: String

  /// Makes the folder, with the folders around it, unless it exists.
  init(_ path: String) throws(InputError) {
    folder = path
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true)
    } catch {
      throw InputError(
        .inputOutput, source: path, found: (error as NSError).localizedDescription,
        expected: "a folder that can be written")
    }
  }

  func path(_ name: String) -> String {
    folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
  }

  func contains(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

  /// Writes a text file, whole or not at all.
  func write(_ name: String, _ text: String) throws(InputError) {
    try AtomicFile.write(text, to: path(name))
  }

  func bytes(_ name: String) -> Int {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path(name))
    return (attributes?[.size] as? NSNumber)?.intValue ?? 0
  }
}
