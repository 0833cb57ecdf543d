import BitCore
import BitFiles
import BitNN
import Foundation

/// The folder that a command writes its results to.
struct OutputFolder {
  private let folder: String

  /// Makes the folder, with the folders around it, unless it exists.
  init(_ path: String) throws(InputError) {
    folder = path
    // Not FileManager, whose errors do not always say what is in the way.
    var failure: Int32? = path.isEmpty ? ENOENT : nil
    var part = path.hasPrefix("/") ? "/" : ""
    for name in path.split(separator: "/") {
      part += name
      failure = mkdir(part, 0o777) == 0 ? nil : errno
      part += "/"
    }
    if Self.isFolder(path) {
      failure = access(path, W_OK | X_OK) == 0 ? nil : errno
    } else if failure == EEXIST {
      failure = ENOTDIR
    }
    if let failure {
      throw InputError(
        .inputOutput, source: "--out \(path)", found: String(cString: strerror(failure)),
        expected: "a folder that can be made and written")
    }
  }

  private static func isFolder(_ path: String) -> Bool {
    var isDirectory: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
      && isDirectory.boolValue
  }

  func path(_ name: String) -> String {
    folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
  }

  func contains(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

  /// Whether a folder is there and has a file, without making the folder.
  static func exists(_ folder: String, with name: String) -> Bool {
    FileManager.default.fileExists(atPath: "\(folder)/\(name)")
  }

  /// Removes a file of an earlier run, if there is one.
  func remove(_ name: String) throws(InputError) {
    let path = path(name)
    guard unlink(path) != 0 else { return }
    let code = errno
    if code == ENOENT { return }
    throw InputError(
      .inputOutput, source: path, found: String(cString: strerror(code)),
      expected: "a file that can be replaced")
  }

  /// Writes a text file, whole or not at all.
  func write(_ name: String, _ text: String) throws(InputError) {
    try AtomicFile.write(text, to: path(name))
  }

  func bytes(_ name: String) -> Int {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path(name))
    return (attributes?[.size] as? NSNumber)?.intValue ?? 0
  }
}
